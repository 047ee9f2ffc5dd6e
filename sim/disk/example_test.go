package disk_test

import (
	"context"
	"fmt"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/sim/disk"
)

// A log that syncs now and then, on a disk whose power fails: what was synced is
// there, and of what came behind nothing is, this time.
func Example() {
	ctx := context.Background()
	d := disk.New(disk.Options{Seed: 7})
	open := func() *filelog.Log {
		l, err := filelog.Open(ctx, filelog.Options{FS: d.Mount(nil), Sync: filelog.SyncEvery(100)}, appender.Env{})
		if err != nil {
			panic(err)
		}
		return l
	}
	l := open()
	for seq := range uint64(3) {
		if err := l.Append(ctx, appender.Record{Seq: seq + 1, Message: "hello"}); err != nil {
			panic(err)
		}
		if seq == 1 {
			if err := l.Flush(ctx); err != nil {
				panic(err)
			}
		}
	}
	fmt.Println(l.Position())

	d.Crash(disk.LoseAll)
	fmt.Println(l.Flush(ctx) == nil) // its process is dead

	l = open()
	fmt.Println(l.Position())
	// Output:
	// 3 2
	// false
	// 2 2
}

// The disk is full, and then it is not.
func ExampleDisk_SetCapacity() {
	d := disk.New(disk.Options{Capacity: 5})
	f, err := d.Mount(nil).Create("file")
	if err != nil {
		panic(err)
	}
	fmt.Println(f.WriteAt([]byte("hello world"), 0))
	d.SetCapacity(0)
	fmt.Println(f.WriteAt([]byte(" world"), 5))
	// Output:
	// 5 write disk:file: filelog: no space left on device
	// 6 <nil>
}

// Every second write finds something wrong.
func ExampleDisk_Inject() {
	d := disk.New(disk.Options{Seed: 1})
	f, err := d.Mount(nil).Create("file")
	if err != nil {
		panic(err)
	}
	stop := d.Inject(disk.Rule{Op: disk.OpWrite, Kind: disk.Short, Prob: 0.5})
	for range 100 {
		_, _ = f.WriteAt([]byte("hello world"), 0)
	}
	stop()
	fmt.Println(d.Struck(disk.Short) > 30, d.Struck(disk.Short) < 70)
	// Output: true true
}
