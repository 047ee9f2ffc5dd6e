package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Delete removes a node's chain with all its records from the servers, for good,
// whoever has it open: appending to it fails from then on, and a later Open
// begins a new chain. Without such a chain it fails with [ErrNoChain]. It takes
// o.Timeout at most, once it is connected.
func Delete(ctx context.Context, o Options, node string) error {
	if err := o.complete(); err != nil {
		return err
	}
	n, err := chainNames(o.Prefix, node)
	if err != nil {
		return err
	}
	l, err := dial(ctx, &o)
	if err != nil {
		return err
	}
	defer l.close()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	err = l.js.DeleteStream(ctx, n.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w: %q at %s has no stream %s", ErrNoChain, node, l.names, n.stream)
	}
	if err != nil {
		return l.explain("deleting stream "+n.stream, err)
	}
	return nil
}
