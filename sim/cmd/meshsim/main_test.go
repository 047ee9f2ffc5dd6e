package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// TestMain lets the test binary stand in for the command, so that tests can
// signal it and look at its status without building another one.
func TestMain(m *testing.M) {
	switch os.Getenv("MESHSIM_TEST_AS") {
	case "command":
		main()
	case "stubborn": // something that the first signal does not end
		_, release := interruptible(context.Background(), os.Stderr)
		defer release()
		fmt.Println("ready")
		select {}
	}
	os.Exit(m.Run())
}

// subprocess is the test binary in one of TestMain's roles.
func subprocess(t *testing.T, as string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "MESHSIM_TEST_AS="+as)
	return cmd
}
