package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"meshsim/sim/scenario"
)

func (a *app) scenariosCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scenarios",
		Short: "List the built-in scenarios",
		Example: `  meshsim scenarios
  meshsim scenarios show partition > mine.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error { return a.listScenarios() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:               "show NAME",
		Short:             "Print a built-in scenario as YAML, to run as it is or to change",
		Example:           `  meshsim scenarios show partition > mine.yaml && meshsim run mine.yaml`,
		ValidArgsFunction: completeNames,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("%s takes one scenario's name, and got %d; `meshsim scenarios` lists them", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			source := scenario.Source(args[0])
			if source == nil {
				return usage("unknown scenario %q%s", args[0],
					didYouMean(args[0], scenario.Names(), "`meshsim scenarios` lists what is built in"))
			}
			_, err := a.out.Write(source)
			return err
		},
	})
	return cmd
}

func completeNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return scenario.Names(), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) listScenarios() error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, name := range scenario.Names() {
		cfg, err := scenario.Builtin(name)
		if err != nil {
			return &failure{status: exitInternal, err: err}
		}
		fmt.Fprintf(w, "%s\t%s\n", name, strings.Join(strings.Fields(cfg.About), " "))
	}
	return w.Flush()
}
