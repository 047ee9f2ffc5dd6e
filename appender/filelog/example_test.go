package filelog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"meshsim/appender"
	"meshsim/appender/filelog"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A log on disk, closed, and opened again.
func Example() {
	parent := must(os.MkdirTemp("", "filelog"))
	defer os.RemoveAll(parent)
	ctx := context.Background()
	fsys := must(filelog.Dir(filepath.Join(parent, "n1")))

	l := must(filelog.Open(ctx, filelog.Options{FS: fsys, MaxRecords: 3}, appender.Env{Node: "n1", Incarnation: 1}))
	for seq := range uint64(5) {
		rec := appender.Record{Node: "n1", Incarnation: 1, Seq: seq + 1, Message: "ready"}
		if err := l.Append(ctx, rec); err != nil {
			panic(err)
		}
	}
	if err := l.Close(); err != nil {
		panic(err)
	}

	l = must(filelog.Open(ctx, filelog.Options{FS: fsys, MaxRecords: 3}, appender.Env{Node: "n1", Incarnation: 2}))
	defer l.Close()
	found := l.Recovery()
	fmt.Println(found.String(), "- dropped:", l.Dropped())
	for rec, err := range l.Replay(ctx, appender.Cursor{Incarnation: 1, Seq: 4}, false) {
		fmt.Println(rec.Seq, rec.Message, err)
	}
	// Output:
	// 3 records in 1 segments - dropped: 2
	// 4 ready <nil>
	// 5 ready <nil>
}

// What is damaged is named, and the rest is read.
func ExampleCorruptError() {
	dir := must(os.MkdirTemp("", "filelog"))
	defer os.RemoveAll(dir)
	ctx := context.Background()
	fsys := must(filelog.Dir(dir))
	l := must(filelog.Open(ctx, filelog.Options{FS: fsys}, appender.Env{}))
	for seq := range uint64(3) {
		if err := l.Append(ctx, appender.Record{Seq: seq + 1, Message: fmt.Sprint("record ", seq+1)}); err != nil {
			panic(err)
		}
	}
	if err := l.Close(); err != nil {
		panic(err)
	}

	// A bit turns in the second record.
	name := must(fsys.List())[0]
	f := must(fsys.Open(name))
	b := make([]byte, must(f.Size()))
	must(f.ReadAt(b, 0))
	for i := range b {
		if string(b[i:min(i+8, len(b))]) == "record 2" {
			must(f.WriteAt([]byte{'R'}, int64(i)))
		}
	}
	if err := f.Close(); err != nil {
		panic(err)
	}

	for rec, err := range filelog.Read(ctx, fsys, nil, appender.Cursor{}, false) {
		if damage, ok := err.(*filelog.CorruptError); ok {
			fmt.Printf("%s, offset %d: %d record lost from position %d on\n", filepath.Base(damage.Path), damage.Offset, damage.Records, damage.First)
			continue
		}
		fmt.Println(rec.Message, err)
	}
	// Output:
	// record 1 <nil>
	// 00000000000000000001.seg, offset 192: 1 record lost from position 1 on
	// record 3 <nil>
}

func ExampleParseSync() {
	for _, s := range []string{"always", "every 64", "interval 0.1s", "hourly"} {
		p, err := filelog.ParseSync(s)
		fmt.Println(p, err)
	}
	fmt.Println(filelog.SyncInterval(time.Second))
	// Output:
	// always <nil>
	// every 64 <nil>
	// interval 100ms <nil>
	// always filelog: sync policy "hourly": expected always, never, "every 64" or "interval 100ms"
	// interval 1s
}

// A directory with a log for every node, as hosts open them.
func ExampleDirOpener() {
	dir := must(os.MkdirTemp("", "filelog"))
	defer os.RemoveAll(dir)
	ctx := context.Background()
	opener := filelog.DirOpener(dir, filelog.Options{Sync: filelog.SyncEvery(64)})
	for _, node := range []string{"n1", "n2"} {
		a := must(opener(ctx, appender.Env{Node: node, Incarnation: 1}))
		if err := a.Append(ctx, appender.Record{Node: node, Incarnation: 1, Seq: 1, Message: "started"}); err != nil {
			panic(err)
		}
		if err := appender.Close(a); err != nil {
			panic(err)
		}
	}
	for _, e := range must(os.ReadDir(dir)) {
		fmt.Println(e.Name())
	}
	// Output:
	// n1
	// n2
}
