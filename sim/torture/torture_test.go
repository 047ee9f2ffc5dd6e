package torture

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogsKeepTheirWordOnFaultyDisks(t *testing.T) {
	r, err := Run(context.Background(), Options{Seed: 1, Cases: 5000})
	require.NoError(t, err)
	t.Logf("%+v", r)
}
