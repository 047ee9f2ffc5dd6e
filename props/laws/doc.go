// Package laws holds what every appender must promise as executable laws,
// without any test library.
package laws
