package torture

import "context"

// Systematic runs what can be gone through one by one, on small logs drawn from
// o.Seed: the image cut at every byte, every subset of the sectors of the last
// write, every bit turned, every write finding the disk full or falling short,
// every sync failing, the power failing and the process dying in every call of
// the file system. o.Cases bounds how many are run; 0 means all.
func Systematic(ctx context.Context, o Options) (Report, error) {
	return campaign(ctx, o, o.Cases, func(i int) (outcome, *Failure) { return runCase(o.Seed+uint64(i), filelogs) })
}
