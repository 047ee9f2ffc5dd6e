//go:build !race

package appendertest_test

const raceEnabled = false
