package filelog_test

import "os"

func tempDir() string { d, _ := os.MkdirTemp("", "fl"); return d }
