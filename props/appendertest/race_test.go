//go:build race

package appendertest_test

const raceEnabled = true
