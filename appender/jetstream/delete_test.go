package jetstream

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
)

func TestDeletingAChainRemovesItAndNoOther(t *testing.T) {
	o := Options{URL: startServer(t).URL(), Prefix: freshPrefix(), Unlimited: true, Timeout: patient}
	ctx := context.Background()
	for _, node := range []string{"n1", "n2"} {
		a := open(t, appender.Env{Node: node, Incarnation: 1, Epoch: 1}, o)
		require.NoError(t, a.Append(ctx, appender.Record{Seq: 1, Node: node, Incarnation: 1, Message: "m"}))
	}
	require.NoError(t, Delete(ctx, o, "n1"))
	left, err := Nodes(ctx, o)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, "n2", left[0].Node)
	require.EqualValues(t, 1, left[0].Retained)
	require.ErrorIs(t, Delete(ctx, o, "n1"), ErrNoChain)

	// What is opened anew begins a new chain.
	a := open(t, appender.Env{Node: "n1", Incarnation: 1, Epoch: 1}, o)
	end, _ := a.Position()
	require.Zero(t, end)
}
