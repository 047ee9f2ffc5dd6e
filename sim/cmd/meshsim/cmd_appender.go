package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func (a *app) appenderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "appender",
		Short: "Check what appenders promise, and read what they stored",
		Long: `Check what appenders promise, against the laws that every appender must keep,
and read what durable ones stored: filelog, a log in a directory for each node,
and jetstream, a stream on NATS servers for each node.`,
		Example: `  meshsim appender check                       the built-in appenders, every law
  meshsim appender torture                     logs on disks that tear, lose and rot
  meshsim live --appender filelog --dir D      a run that leaves its logs in D
  meshsim appender cat D | jq .message         what they hold, as JSON lines`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.checkCommand(), a.catCommand(), a.tailCommand(), a.tortureCommand())
	return cmd
}

// quietlyInterruptible returns a context that the first SIGINT or SIGTERM ends
// without a word, because that is how a reader is meant to end; a second one
// ends the process.
func quietlyInterruptible(parent context.Context) (ctx context.Context, release func()) {
	restore := outlivePipe()
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	unhook := context.AfterFunc(ctx, stop)
	return ctx, func() {
		unhook()
		stop()
		restore()
	}
}

// outlivePipe makes writing to a pipe that nobody reads an error rather than the
// end of the process, so that what was made is removed. restore undoes it.
func outlivePipe() (restore func()) {
	signal.Ignore(syscall.SIGPIPE)
	return func() { signal.Reset(syscall.SIGPIPE) }
}
