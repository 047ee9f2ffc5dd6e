// Package appendertest runs the laws of package laws against an appender, as a
// test.
package appendertest
