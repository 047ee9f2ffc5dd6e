// Package torture tears, cuts, flips, fills and kills logs of package filelog
// on simulated disks, and checks every acknowledged record.
package torture
