package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/appender/jetstream"
	"meshsim/appender/jetstream/embedded"
	"meshsim/props/laws"
	"meshsim/sim/disk"
)

// subject is an appender to be checked, as it is set up for that.
type subject struct {
	laws.Config
	kind  string
	slow  bool // it waits for a disk or for servers: fewer cases by default
	close func() error
}

// noClose is for subjects that leave nothing.
func noClose() error { return nil }

// subjectsOf sets an appender up in every way in which it is checked. The
// caller closes what is returned, also beside an error.
func subjectsOf(kind string, c *checking) ([]subject, error) {
	switch kind {
	case kindNoop:
		open := opener(func() appender.Appender { return appender.NoOp{} })
		return []subject{{Config: laws.Config{Name: kind, New: open, Concurrent: true, NoAllocs: true}, kind: kind, close: noClose}}, nil
	case kindBuffering:
		return []subject{{Config: laws.Config{
			Name: kind, New: buffering(bufferingCapacity), NewOf: buffering, Capacity: bufferingCapacity, Concurrent: true, NoAllocs: true,
		}, kind: kind, close: noClose}}, nil
	case kindFilelog:
		real, err := logsInFiles(c.dir)
		return append([]subject{
			logsOnDisks("filelog on a simulated disk", filelog.Options{}),
			logsOnDisks("filelog on a simulated disk, the newest 7, synced every 5",
				filelog.Options{MaxRecords: 7, MaxRecordBytes: 9000, Sync: filelog.SyncEvery(5)}),
		}, real...), err
	}
	return chainsOnServers(c)
}

// bufferingCapacity is small, so that records are dropped in most cases.
const bufferingCapacity = 8

func opener(f func() appender.Appender) appender.Opener {
	return func(context.Context, appender.Env) (appender.Appender, error) { return f(), nil }
}

func buffering(capacity int) appender.Opener {
	return opener(func() appender.Appender { return appender.NewBuffering(capacity) })
}

// logsOnDisks are logs on simulated disks, whose power fails, which fill up, fail
// to sync and rot.
func logsOnDisks(name string, o filelog.Options) subject {
	var (
		d    *disk.Disk
		made uint64
		mend func()
	)
	o.SegmentBytes = filelog.MinSegmentBytes // so that logs have several
	again := func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		o := o
		o.FS = d.Mount(nil)
		return filelog.Opener(o)(ctx, env)
	}
	cfg := laws.Config{
		Name: name, Capacity: o.MaxRecords, MaxRecordBytes: o.MaxRecordBytes, Concurrent: true, Exclusive: true, Reports: reportsDamage,
		New: func(ctx context.Context, env appender.Env) (appender.Appender, error) {
			made++
			d = disk.New(disk.Options{Seed: made, Tear: made%2 == 0})
			return again(ctx, env)
		},
		Reopen: again,
		Crash:  func() { d.Crash(disk.Draw) },
		Full: func(full bool) {
			room := int64(0) // without bound
			if full {
				room = d.Used() + 100
			}
			d.SetCapacity(room)
		},
		FailSync: func(fails bool) {
			if fails {
				mend = d.Inject(disk.Rule{Op: disk.OpSync, Kind: disk.Fail})
			} else {
				mend()
			}
		},
		Flip: func(uint64) bool {
			_, _, ok := d.FlipSome("0") // a segment: their names are numbers
			return ok
		},
	}
	if o.Sync == filelog.SyncAlways() {
		cfg.Acks = laws.AckDisk
	}
	return subject{Config: cfg, kind: kindFilelog, close: noClose}
}

func reportsDamage(a appender.Appender) bool {
	log, ok := appender.As[*filelog.Log](a)
	if !ok {
		return false
	}
	found := log.Recovery()
	return !found.Clean()
}

// logsInFiles are logs on the real disk, in a directory of their own in dir.
func logsInFiles(dir string) ([]subject, error) {
	root, remove, err := ownDir(dir)
	if err != nil {
		return nil, err
	}
	var (
		log  string
		made int
	)
	again := func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		fsys, err := filelog.Dir(log)
		if err != nil {
			return nil, err
		}
		return filelog.Opener(filelog.Options{FS: fsys})(ctx, env)
	}
	return []subject{{
		kind: kindFilelog, slow: true, close: remove,
		Config: laws.Config{
			Name: "filelog in " + orTemporary(dir), Concurrent: true, Exclusive: true, NoAllocs: true, Reports: reportsDamage,
			New: func(ctx context.Context, env appender.Env) (appender.Appender, error) {
				if made > 0 {
					if err := os.RemoveAll(log); err != nil {
						return nil, err
					}
				}
				made++
				log = filepath.Join(root, fmt.Sprint(made))
				return again(ctx, env)
			},
			Reopen: again,
			Flip:   func(draw uint64) bool { return flipFile(log, draw) },
		},
	}}, nil
}

// flipFile turns a bit of one of a log's files.
func flipFile(log string, draw uint64) bool {
	names, err := filepath.Glob(filepath.Join(log, "*"+segmentSuffix))
	if err != nil || len(names) == 0 {
		return false
	}
	name := names[draw%uint64(len(names))]
	b, err := os.ReadFile(name)
	if err != nil || len(b) == 0 {
		return false
	}
	bit := draw >> 8 % uint64(8*len(b))
	b[bit/8%uint64(len(b))] ^= 1 << (bit % 8)
	return os.WriteFile(name, b, 0o600) == nil
}

// ownDir makes a directory that is nobody else's, in dir, or among the temporary
// ones. remove takes away what was made, and nothing else.
func ownDir(dir string) (own string, remove func() error, err error) {
	created := false
	if dir != "" {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			created = true
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", noClose, usage("--dir %s: %w", dir, err)
		}
	}
	own, err = os.MkdirTemp(dir, "meshsim-check-")
	if err != nil {
		return "", noClose, usage("no directory to check in: %w", err)
	}
	return own, func() error {
		err := os.RemoveAll(own)
		if created && err == nil {
			err = os.Remove(dir)
		}
		return err
	}, nil
}

// checkTimeout and checkHang are what servers are given: this is no race.
const (
	checkTimeout = 10 * time.Second
	checkHang    = 30 * time.Second
)

// chainsOnServers are streams, each under a prefix of its own, on servers
// elsewhere, or on one or a cluster in this process.
func chainsOnServers(c *checking) ([]subject, error) {
	o := c.servers.options()
	o.Timeout, o.Unlimited = checkTimeout, true
	j := &checkedChains{o: o, prefix: "meshsim-check-" + strings.ToLower(rand.Text())}
	cfg := laws.Config{
		Name: "jetstream at " + redacted(c.url), New: j.fresh, Reopen: j.again, NewOf: j.bounded,
		Concurrent: true, OneNode: true, TakesOver: true, Ids: true, RealClock: true, Hang: checkHang, Acks: laws.AckOS,
	}
	s := subject{kind: kindJetstream, slow: true, close: j.remove}
	switch {
	case c.url != "":
	case c.replicas > 1:
		cluster, remove, err := cluster(c)
		if err != nil {
			return nil, err
		}
		j.o.URL, j.o.SyncAlways, s.close = cluster.URL(), true, remove
		cfg.Name = fmt.Sprintf("jetstream on a cluster of %d in this process", cluster.Len())
		cfg.Acks = laws.AckQuorum
		cfg.Crash = func() { stopLeader(cluster, j.stream()) }
	default:
		server, remove, err := server(c)
		if err != nil {
			return nil, err
		}
		j.o.URL, j.o.SyncAlways, s.close = server.URL(), true, remove
		cfg.Name = "jetstream on a server in this process"
		cfg.Acks = laws.AckDisk
		cfg.Crash = func() {} // the process that appends is gone; its server lives
	}
	s.Config = cfg
	return []subject{s}, nil
}

func server(c *checking) (*embedded.Server, func() error, error) {
	dir, remove, err := ownDir(c.dir)
	if err != nil {
		return nil, nil, err
	}
	s, err := embedded.Start(embedded.Options{Dir: dir, SyncAlways: true})
	if err != nil {
		return nil, nil, errors.Join(usage("no server could be started: %w", err), remove())
	}
	return s, func() error { s.Shutdown(); return remove() }, nil
}

func cluster(c *checking) (*embedded.Cluster, func() error, error) {
	dir, remove, err := ownDir(c.dir)
	if err != nil {
		return nil, nil, err
	}
	s, err := embedded.StartCluster(max(c.replicas, 3), embedded.Options{Dir: dir, SyncAlways: true})
	if err != nil {
		return nil, nil, errors.Join(usage("no cluster could be started: %w", err), remove())
	}
	return s, func() error { s.Shutdown(); return remove() }, nil
}

// stopLeader stops the server that leads a stream, and brings it back once
// another does. What it panics with, the law tells as what was wrong.
func stopLeader(c *embedded.Cluster, stream string) {
	i := c.StopLeader(stream)
	if i < 0 {
		panic("no server leads " + stream)
	}
	if err := errors.Join(c.AwaitLeader(stream), c.Start(i), c.AwaitCurrent(stream)); err != nil {
		panic(err)
	}
}

// unopenedTimeout is how long it is tried to remove what could not be opened, and
// most likely is not there.
const unopenedTimeout = time.Second

// checkedChains opens chains that nobody else has, one at a time.
type checkedChains struct {
	o      jetstream.Options // of the latest
	node   string            // of the latest; "" before there is one
	opened bool              // one was
	prefix string            // of all prefixes
	made   int
}

func (j *checkedChains) fresh(ctx context.Context, env appender.Env) (appender.Appender, error) {
	o := j.o
	o.MaxRecords, o.Unlimited = 0, true
	return j.open(ctx, env, o)
}

func (j *checkedChains) bounded(capacity int) appender.Opener {
	return func(ctx context.Context, env appender.Env) (appender.Appender, error) {
		o := j.o
		o.MaxRecords, o.Unlimited = capacity, false
		return j.open(ctx, env, o)
	}
}

// open makes a new chain, and then removes the one before: a server that is left
// without any stream clears its directory away, under the one that is being made.
func (j *checkedChains) open(ctx context.Context, env appender.Env, o jetstream.Options) (appender.Appender, error) {
	before := *j
	j.made++
	o.Prefix = fmt.Sprintf("%s-%d", j.prefix, j.made)
	j.o, j.node = o, env.Node
	a, err := j.again(ctx, env)
	return a, errors.Join(err, before.remove())
}

func (j *checkedChains) again(ctx context.Context, env appender.Env) (appender.Appender, error) {
	a, err := openStream(ctx, env, j.o)
	j.opened = j.opened || err == nil
	return a, err
}

func (j *checkedChains) stream() string { return j.o.Prefix + "@" + j.node }

// remove deletes the latest chain, if there is one.
func (j *checkedChains) remove() error {
	if j.node == "" {
		return nil
	}
	o := j.o
	if !j.opened {
		o.Timeout = unopenedTimeout
	}
	// Also after an interruption.
	err := jetstream.Delete(context.Background(), o, j.node)
	if errors.Is(err, jetstream.ErrNoChain) || !j.opened {
		err = nil
	}
	if err == nil {
		j.node = ""
	}
	return err
}
