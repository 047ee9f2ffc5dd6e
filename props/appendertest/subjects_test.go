package appendertest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/props/appendertest"
	"meshsim/props/laws"
	"meshsim/sim/disk"
)

// always opens what f makes.
func opens(f func(env appender.Env) appender.Appender) appender.Opener {
	return func(_ context.Context, env appender.Env) (appender.Appender, error) { return f(env), nil }
}

func buffering(capacity int) appender.Opener {
	return opens(func(appender.Env) appender.Appender { return appender.NewBuffering(capacity) })
}

// wrapped is a wrapper under its laws.
func wrapped(name string, wrap func(appender.Appender, appender.Env) appender.Appender) laws.Config {
	return laws.Config{Name: name, Wrap: wrap}
}

// memory are the appenders and wrappers of package appender.
func memory() []laws.Config {
	drops := func(c laws.Config) laws.Config { c.Drops = true; return c }
	contains := func(c laws.Config) laws.Config { c.Contains = true; return c }
	return []laws.Config{
		{Name: "noop", New: opens(func(appender.Env) appender.Appender { return appender.NoOp{} }), Concurrent: true, NoAllocs: true},
		{Name: "buffering", New: buffering(8), NewOf: buffering, Capacity: 8, Concurrent: true, NoAllocs: true},
		{Name: "buffering of 1", New: buffering(1), Capacity: 1},
		{Name: "buffering of 16384", New: buffering(appender.BufferingCapacity), Capacity: appender.BufferingCapacity},
		{Name: "faulty", New: opens(func(env appender.Env) appender.Appender {
			return appender.NewFaulty(appender.NewBuffering(1000), env, appender.NewControl(1))
		}), Contents: func(_ context.Context, a appender.Appender) ([]appender.Record, error) {
			c, _ := appender.As[appender.Capturer](a)
			return c.CapturedInto(nil), nil
		}},
		contains(wrapped("tee", func(a appender.Appender, _ appender.Env) appender.Appender {
			return appender.NewTee(a, appender.NewBuffering(100))
		})),
		wrapped("retry", func(a appender.Appender, env appender.Env) appender.Appender {
			return appender.NewRetry(a, env, appender.RetryOptions{})
		}),
		wrapped("breaker", func(a appender.Appender, env appender.Env) appender.Appender {
			return appender.NewBreaker(a, env, appender.BreakerOptions{Failures: 3})
		}),
		contains(wrapped("guard", func(a appender.Appender, _ appender.Env) appender.Appender { return appender.NewGuard(a) })),
		wrapped("filter that keeps all", func(a appender.Appender, _ appender.Env) appender.Appender {
			return appender.NewFilter(a, appender.AtLeast(appender.Trace))
		}),
		drops(wrapped("filter", func(a appender.Appender, _ appender.Env) appender.Appender {
			return appender.NewFilter(a, func(r appender.Record) bool { return r.Seq%3 != 0 })
		})),
		drops(wrapped("sample", func(a appender.Appender, env appender.Env) appender.Appender {
			return appender.NewSample(a, env, appender.SampleOptions{OneIn: 2})
		})),
		drops(wrapped("limit", func(a appender.Appender, env appender.Env) appender.Appender {
			return appender.NewLimit(a, env, appender.LimitOptions{Rate: 10, Burst: 5})
		})),
		contains(wrapped("a stack of all", func(a appender.Appender, env appender.Env) appender.Appender {
			a = appender.NewRetry(appender.NewBreaker(appender.NewGuard(a), env, appender.BreakerOptions{}), env, appender.RetryOptions{})
			return appender.NewFilter(appender.NewTee(a), appender.AtLeast(appender.Trace))
		})),
		{Name: "to slog", New: opens(func(appender.Env) appender.Appender { return appender.NewSlog(slog.DiscardHandler) })},
	}
}

// onDisk is a filelog on a simulated disk: with every fault that disks have.
func onDisk(name string, o filelog.Options) laws.Config {
	var d *disk.Disk
	n := uint64(0)
	open := func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		o := o
		o.FS = d.Mount(nil)
		return filelog.Opener(o)(ctx, env)
	}
	cfg := laws.Config{
		Name: name, Capacity: o.MaxRecords, MaxRecordBytes: o.MaxRecordBytes, Concurrent: true, Exclusive: true,
		New: func(ctx context.Context, env appender.Env) (appender.Appender, error) {
			n++
			d = disk.New(disk.Options{Seed: n, Tear: n%2 == 0})
			return open(ctx, env)
		},
		Reopen: open,
		Crash:  func() { d.Crash(disk.Draw) },
		Full: func(full bool) {
			if full {
				d.SetCapacity(d.Used() + 100)
			} else {
				d.SetCapacity(0)
			}
		},
		Flip: func(x uint64) bool {
			_, _, ok := d.FlipSome("0")
			return ok
		},
		Reports: reports,
	}
	var mend func()
	cfg.FailSync = func(fails bool) {
		if fails {
			mend = d.Inject(disk.Rule{Op: disk.OpSync, Kind: disk.Fail})
		} else {
			mend()
		}
	}
	if o.Sync == filelog.SyncAlways() {
		cfg.Acks = laws.AckDisk
	}
	return cfg
}

func reports(a appender.Appender) bool {
	r := a.(*filelog.Log).Recovery()
	return !r.Clean()
}

// onFiles is a filelog in directories of the operating system.
func onFiles(t testing.TB, name string, o filelog.Options) laws.Config {
	root, n := t.TempDir(), 0
	dir := ""
	open := func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		fsys, err := filelog.Dir(dir)
		if err != nil {
			return nil, err
		}
		o := o
		o.FS = fsys
		return filelog.Opener(o)(ctx, env)
	}
	return laws.Config{
		Name: name, Capacity: o.MaxRecords, Concurrent: true, Exclusive: true, NoAllocs: o.SegmentBytes == 0,
		New: func(ctx context.Context, env appender.Env) (appender.Appender, error) {
			_ = os.RemoveAll(dir)
			n++
			dir = filepath.Join(root, fmt.Sprint(n))
			return open(ctx, env)
		},
		Reopen: open,
		Flip: func(x uint64) bool {
			names, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
			if len(names) == 0 {
				return false
			}
			name := names[int(x%uint64(len(names)))]
			b, err := os.ReadFile(name)
			if err != nil || len(b) == 0 {
				return false
			}
			bit := x >> 8 % uint64(8*len(b))
			b[bit/8%uint64(len(b))] ^= 1 << (bit % 8)
			return os.WriteFile(name, b, 0o600) == nil
		},
		Reports: reports,
	}
}

func onSimulatedDisks() []laws.Config {
	return []laws.Config{
		onDisk("filelog on a simulated disk", filelog.Options{SegmentBytes: 4096}),
		onDisk("filelog of 7 on a simulated disk", filelog.Options{SegmentBytes: 4096, MaxRecords: 7, MaxRecordBytes: 9000}),
		onDisk("filelog on a simulated disk, never synced", filelog.Options{SegmentBytes: 4096, Sync: filelog.SyncNever()}),
		onDisk("filelog on a simulated disk, synced every 5", filelog.Options{SegmentBytes: 4096, Sync: filelog.SyncEvery(5)}),
	}
}

func inDirectories(t testing.TB) []laws.Config {
	return []laws.Config{
		onFiles(t, "filelog in a directory", filelog.Options{}),
		onFiles(t, "filelog of 9 in a directory", filelog.Options{SegmentBytes: 4096, MaxRecords: 9, Sync: filelog.SyncEvery(64)}),
	}
}

func TestTheAppendersOfPackageAppenderKeepEveryLaw(t *testing.T) {
	for _, cfg := range memory() {
		t.Run(cfg.Name, func(t *testing.T) { appendertest.Run(t, cfg) })
	}
}

func TestFilelogKeepsEveryLaw(t *testing.T) {
	for _, cfg := range onSimulatedDisks() {
		t.Run(cfg.Name, func(t *testing.T) { appendertest.Run(t, cfg) })
	}
	for _, cfg := range inDirectories(t) {
		// Real disks take their time: fewer cases, each smaller.
		t.Run(cfg.Name, func(t *testing.T) { require.NoError(t, appendertest.Check(cfg, 12)) })
	}
}

// TestEveryRightAppenderPassesAThousandTimesOver: with a thousand cases of every
// law. What waits for a real disk or a server has its own number of cases above.
func TestEveryRightAppenderPassesAThousandTimesOver(t *testing.T) {
	for _, cfg := range append(memory(), onSimulatedDisks()...) {
		t.Run(cfg.Name, func(t *testing.T) {
			t.Parallel()
			cfg.NoAllocs = false // others allocate beside it
			require.NoError(t, appendertest.Check(cfg, thousand()))
		})
	}
}

// thousand is a thousand, unless the race detector makes each case cost ten
// times as much.
func thousand() int {
	if raceEnabled {
		return 30
	}
	return 1000
}
