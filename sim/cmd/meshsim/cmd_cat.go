package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

const readHelp = `DIR is the directory of one log, a directory of logs, one for each node, or the
directory that a run --appender jetstream --dir has left. URL is that of a NATS
server. Logs are read beside a writer: no lock is taken, nothing is changed. What
jetstream has left in a directory is read by a server that is started in it, when
its own has ended: it locks the directory, and writes to it.

Each record is one JSON object: node, incarnation, stream, seq, time, level,
daemon, flags, message. A message that is not valid UTF-8 comes as
message_base64, such a name as node_base64, and a time behind the year 9999 as
time_ms, so that no record is changed by being printed. Records of logs that are
damaged are named on standard error, with file, offset and seq, and the rest is
printed. NATS servers leave out what they cannot read, without a word.`

// selection is the flags that say which records are wanted.
type selection struct {
	node  string
	from  string
	limit int
	servers

	cmd *cobra.Command
}

func (s *selection) register(cmd *cobra.Command) {
	s.cmd = cmd
	f := cmd.Flags()
	f.StringVar(&s.node, "node", "", "only the records of this `node`")
	f.StringVar(&s.from, "from", "", "begin with the record `INCARNATION/SEQ` of each node, or the first behind it")
	f.IntVar(&s.limit, "limit", 0, "end after this many records")
	s.servers.register(f)
	s.registerPrefix(f)
	s.replicas = 1 // nothing is made
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("%s takes one directory or URL, and got %d: `%s --help` says more", cmd.CommandPath(), len(args), cmd.CommandPath())
		}
		return nil
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
}

// cursor reads --from and --limit.
func (s *selection) cursor() (from appender.Cursor, err error) {
	changed := s.cmd.Flags().Changed
	if changed("limit") && s.limit < 1 {
		return from, usage("--limit %d: expected at least 1", s.limit)
	}
	if !changed("limit") {
		s.limit = math.MaxInt
	}
	if !changed("from") {
		return from, nil
	}
	incarnation, seq, ok := strings.Cut(s.from, "/")
	i, err := strconv.ParseUint(incarnation, 10, 32)
	if !ok {
		seq = "1"
	}
	n, seqErr := strconv.ParseUint(seq, 10, 64)
	if err != nil || seqErr != nil {
		return from, usage("--from %s: expected INCARNATION/SEQ, such as 2/117, or an incarnation alone", s.from)
	}
	return appender.Cursor{Incarnation: uint32(i), Seq: n}, nil
}

// choose takes the chains that are wanted.
func (s *selection) choose(all []chain) []chain {
	if !s.cmd.Flags().Changed("node") {
		return all
	}
	var list []chain
	for _, c := range all {
		if !c.known || c.node == s.node {
			list = append(list, c)
		}
	}
	return list
}

// wants reports whether a record is of the node that was asked for.
func (s *selection) wants(r *appender.Record) bool {
	return !s.cmd.Flags().Changed("node") || r.Node == s.node
}

// nothing is the error of a place where none of the chains wanted is.
func (s *selection) nothing(ar archive, all []chain) error {
	if len(all) > 0 {
		var names []string
		for _, c := range all {
			names = append(names, c.node)
		}
		return usage("%s holds nothing of node %q; it has %s", ar.name(), s.node, few(names))
	}
	if st, ok := ar.(*streams); ok {
		return usage("%s has no stream of an appender under the prefix %q; --prefix names another", ar.name(), st.o.Prefix)
	}
	return usage("%s holds no log: expected the directory of a log (files such as %020d%s), or a directory of such directories",
		ar.name(), 1, segmentSuffix)
}

// few lists names, not all of them if there are many.
func few(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func (a *app) catCommand() *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use:   "cat DIR|URL",
		Short: "Print what an appender stored, as JSON lines",
		Long: `Print what an appender stored, node after node, oldest record first.

` + readHelp + `

Exit status: 0 everything was printed, 1 a log was damaged, 2 usage, or
nothing to read there, 3 interrupted, 4 reading failed on the way.`,
		Example: `  meshsim appender cat D
  meshsim appender cat D/n1 --from 2/1 --limit 10
  meshsim appender cat nats://127.0.0.1:4222 --node n1 | jq -r .message`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.cat(cmd.Context(), args[0], &s) },
	}
	s.register(cmd)
	return cmd
}

func (a *app) cat(ctx context.Context, where string, s *selection) error {
	from, err := s.cursor()
	if err != nil {
		return err
	}
	ctx, release := quietlyInterruptible(ctx)
	defer release()
	ar, all, err := s.open(ctx, where)
	if err != nil {
		return err
	}
	defer ar.close()
	chosen := s.choose(all)
	if len(chosen) == 0 {
		return s.nothing(ar, all)
	}
	printed, err := a.print(ctx, ar, chosen, from, s)
	if err == nil && printed == 0 && s.cmd.Flags().Changed("node") && !chosen[0].known {
		// A log on its own was asked for somebody else's records.
		begin := ""
		if s.from != "" {
			begin = " from " + s.from + " on"
		}
		return usage("%s holds no record of node %q%s", ar.name(), s.node, begin)
	}
	return err
}

// print writes chains, one after the other.
func (a *app) print(ctx context.Context, ar archive, chains []chain, from appender.Cursor, s *selection) (printed int, err error) {
	lines := newLineEncoder(a.out)
	for _, c := range chains {
		for rec, err := range ar.read(ctx, c, from, false) {
			switch {
			case err != nil:
				if !a.damaged(err) {
					return printed, cannotGoOn(ctx, err)
				}
				continue
			case !s.wants(&rec):
				continue
			}
			if err := lines.write(&rec); err != nil {
				return printed, a.unwritten(err)
			}
			if printed++; printed == s.limit {
				return printed, a.flushed()
			}
		}
		if ctx.Err() != nil {
			return printed, cannotGoOn(ctx, ctx.Err())
		}
	}
	return printed, a.flushed()
}

// damaged reports damage in one line; false if err is something else.
func (a *app) damaged(err error) bool {
	if !isDamage(err) {
		return false
	}
	a.status = max(a.status, exitViolated)
	fmt.Fprintf(a.err, "meshsim: %s\n", oneLine(err))
	return true
}

func isDamage(err error) bool {
	var bad *filelog.CorruptError
	return errors.As(err, &bad)
}

// open opens what the words DIR|URL name, and lists the chains in it.
func (s *selection) open(ctx context.Context, where string) (archive, []chain, error) {
	ar, err := openArchive(where, &s.servers)
	if err != nil {
		return nil, nil, cannotRead(ctx, err)
	}
	if _, ok := ar.(*logs); ok && s.cmd.Flags().Changed("prefix") {
		return nil, nil, usage("--prefix is of streams, and %s holds none", where)
	}
	all, err := ar.chains(ctx)
	if err != nil {
		ar.close()
		return nil, nil, cannotRead(ctx, err)
	}
	return ar, all, nil
}

// cannotRead is an archive that could not be opened: the place is wrong, or what
// is there does not answer.
func cannotRead(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return &failure{status: exitUsage, err: err}
}

// cannotGoOn is reading that failed on the way.
func cannotGoOn(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return &failure{status: exitInternal, err: fmt.Errorf("reading failed: %w", err)}
}

var errInterrupted error = &failure{status: exitInconclusive, err: errors.New("interrupted: not everything was read")}

// flushed writes out what was printed.
func (a *app) flushed() error { return a.unwritten(a.out.Flush()) }

// unwritten is an error of standard output. Who reads it may have had enough,
// as head has, which is no failure.
func (a *app) unwritten(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.EPIPE) {
		return errEnough
	}
	return &failure{status: exitInternal, err: fmt.Errorf("results could not be written: %w", err)}
}

// errEnough: nobody reads what is printed any more.
var errEnough = errors.New("nobody reads any more")
