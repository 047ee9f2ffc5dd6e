package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"meshsim/props"
	"meshsim/sim"
	"meshsim/sim/trace"
)

// The exit statuses.
const (
	exitHeld         = 0
	exitViolated     = 1
	exitUsage        = 2 // wrong arguments, or a scenario that cannot be run
	exitInconclusive = 3
	exitInternal     = 4 // the simulator failed: a diverged replay, a watchdog
	exitInterrupted  = 130
)

const exitHelp = `Exit status: 0 every invariant held, 1 one was violated, 2 usage or scenario
error, 3 inconclusive (nothing was violated, but the run did not show what it
was meant to), 4 internal error (two runs of one seed differ, a watchdog).`

// app is one invocation of the command.
type app struct {
	out      *bufio.Writer // results
	err      io.Writer     // progress and errors
	style    style         // of out
	terminal bool          // err is one
	program  string        // how the reader would call this command again
	checkers []func() trace.Checker
	subjects func(kind string, c *checking) ([]subject, error) // that check sets up
	status   int
}

// failure is an error with the exit status that it calls for.
type failure struct {
	status int
	err    error
	again  string // the command that reproduces it, if there is one
	stack  string // of a panic
}

// crash is the failure that a recovered panic makes: a defect of meshsim, with
// a status of its own rather than the runtime's 2, which means usage here.
func crash(v any) *failure {
	text, stack, _ := strings.Cut(fmt.Sprint(v), "\n")
	return &failure{
		status: exitInternal, err: fmt.Errorf("panic: %s", text),
		stack: strings.TrimSpace(stack + "\n" + string(debug.Stack())),
	}
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usage makes an error of what was typed wrong.
func usage(format string, args ...any) error {
	return &failure{status: exitUsage, err: fmt.Errorf(format, args...)}
}

// Execute runs the command with args (without the program's name) and returns
// its exit status. Results go to stdout; progress and errors, one line each,
// to stderr. A bar and colours appear only where these are terminals.
func Execute(args []string, stdout, stderr io.Writer) int {
	return execute(args, stdout, stderr, program(), props.All())
}

func execute(args []string, stdout, stderr io.Writer, program string, checkers []func() trace.Checker) int {
	a := &app{
		out: bufio.NewWriter(stdout), err: stderr, style: styleFor(stdout), terminal: isTerminal(stderr),
		program: program, checkers: checkers, subjects: subjectsOf,
	}
	return a.execute(args)
}

func (a *app) execute(args []string) int {
	root := a.root()
	root.SetArgs(args)
	err := root.Execute()
	if errors.Is(err, errEnough) {
		return a.status
	}
	// A writer keeps its first error: what could not be printed is no pass,
	// whatever else went on.
	flushErr := a.out.Flush()
	if errors.Is(flushErr, syscall.EPIPE) {
		return exitInternal // without a word: nobody listens
	}
	if flushErr != nil {
		err = &failure{status: exitInternal, err: fmt.Errorf("results could not be written: %w", flushErr)}
	}
	if err == nil {
		return a.status
	}
	msg := oneLine(err)
	if !strings.HasPrefix(msg, root.Name()) {
		msg = root.Name() + ": " + msg
	}
	fmt.Fprintln(a.err, msg)
	var f *failure
	if !errors.As(err, &f) {
		return exitUsage // cobra's own
	}
	if f.stack != "" {
		fmt.Fprintln(a.err, f.stack)
	}
	if f.again != "" {
		fmt.Fprintf(a.err, "reproduce: %s\n", f.again)
	}
	return f.status
}

// oneLine is an error without the line breaks that its causes may bring.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "meshsim",
		Short: "Simulate an actor mesh under load and faults, and judge it by its invariants",
		Long: `meshsim simulates a mesh of nodes, each a reconcile loop that hands its log
records to an appender, under load, real latencies and faults, and judges every
run by its invariants. A run is a function of the scenario and the seed.

` + exitHelp,
		Example: `  meshsim run                            the quickstart scenario, a random seed
  meshsim run partition --seed 17        another scenario; this seed, again and again
  meshsim live --for 10s                 the same code on real clocks and goroutines
  meshsim sweep swarm --seeds 1-500      many seeds, on every core
  meshsim scenarios                      what is built in
  meshsim appender check                 the built-in appenders against their promises`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("meshsim {{.Version}}\n")
	root.AddCommand(a.runCommand(), a.liveCommand(), a.sweepCommand(), a.scenariosCommand(), a.appenderCommand())
	root.SetHelpCommand(helpCommand())
	return root
}

// helpCommand is cobra's, but for an unknown command it fails like the others.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does",
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(of, rest[0])
			}
			return of.Help()
		},
	}
}

func unknownCommand(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return usage("unknown command %q%s", word, didYouMean(word, names, fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())))
}

// flagError says in one line what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		return usage("--%s %s: expected %s", bad.GetFlag().Name, bad.GetValue(), expected(bad.GetFlag()))
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return usage("%s: %w", cmd.CommandPath(), err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	hint := fmt.Sprintf("`%s --help` lists the flags", cmd.CommandPath())
	if near := sim.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		hint = fmt.Sprintf("did you mean --%s?", near)
	}
	return usage("%s: unknown flag --%s; %s", cmd.CommandPath(), unknown.GetSpecifiedName(), hint)
}

func expected(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int":
		return "a whole number"
	case "duration":
		return "a duration such as 10s or 1h30m"
	case "bool":
		return "true or false"
	}
	return "something else"
}

func didYouMean(word string, words []string, otherwise string) string {
	if near := sim.Nearest(word, words); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return "; " + otherwise
}

// atMostOne is the check of a command's arguments.
func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usage("%s takes one %s, and got %d: %s", cmd.CommandPath(), what, len(args), strings.Join(args, " "))
		}
		return nil
	}
}

// version is the module's version and the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += " " + s.Value
		}
	}
	return v + " " + info.GoVersion
}

// program is how the reader can call this command again from where he is: in
// the repository it need not be built; elsewhere it is called as it was found.
func program() string {
	if _, err := os.Stat("sim/cmd/meshsim/main.go"); err == nil {
		return "go run ./sim/cmd/meshsim"
	}
	exe, err := os.Executable()
	if err != nil {
		return "meshsim"
	}
	if found, err := exec.LookPath("meshsim"); err == nil && found == exe {
		return "meshsim"
	}
	return shellWord(exe)
}
