//go:build !unix

package embedded

import (
	"fmt"
	"io"
	"os"
)

// lockFile only marks the directory here: there is no lock that goes when the
// process dies among what the standard library offers on every system.
func lockFile(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	return f, nil
}
