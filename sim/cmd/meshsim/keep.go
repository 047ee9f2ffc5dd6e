package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/appender/jetstream"
	"meshsim/appender/jetstream/embedded"
	"meshsim/sim"
)

// keep is where a run's records are kept, while it goes on.
type keep struct {
	says     string   // of the header
	holds    string   // what was there before, "" if nothing
	readBack []string // the words that read it back; nil: nothing stays
	left     []string // what of the scenario was left out
	close    func() error
}

// open opens the place that the flags name, makes cfg use it, and says so. cfg
// must have been found to be right. Nothing is opened for appenders that are
// simulated.
func (s *sink) open(ctx context.Context, cfg *sim.Config) (*keep, error) {
	k := &keep{close: func() error { return nil }}
	if s.cmd == nil || !s.real() {
		k.left = s.left
		return k, nil
	}
	s.unpromise(cfg, "log-torn", "log-damaged")
	if !cfg.Appender.Latency.IsZero() {
		s.left = append(s.left, "appender.latency")
		cfg.Appender.Latency = sim.Dist{}
		if !queues(cfg) {
			s.unpromise(cfg, "record-lost")
		}
	}
	k.left = s.left
	restore := outlivePipe()
	k.close = func() error { restore(); return nil }
	var err error
	if s.kind == kindJetstream {
		err = s.openStreams(ctx, cfg, k)
	} else {
		err = s.openLogs(ctx, cfg, k)
	}
	if err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

// queues reports whether a fault makes records wait in a node, so that a crash can
// find some there. A real store takes them in no virtual time; live, whether one
// waits is luck.
func queues(cfg *sim.Config) bool {
	waits := func(kind string) bool {
		of, _, _ := strings.Cut(kind, "-")
		return slices.Contains([]string{"pause", "slow", "append", "applied", "open"}, of)
	}
	return slices.ContainsFunc(cfg.Faults, func(f sim.Fault) bool { return waits(f.Kind) }) ||
		slices.ContainsFunc(cfg.Chaos, func(c sim.Chaos) bool { return waits(c.Kind) })
}

var errNotBegun error = &failure{status: exitInconclusive, err: errors.New("interrupted: the run had not begun")}

// openLogs keeps the records in directories.
func (s *sink) openLogs(ctx context.Context, cfg *sim.Config, k *keep) error {
	if _, err := filelog.Dir(s.dir); err != nil {
		return usage("--dir %s: %w", s.dir, err)
	}
	if one, err := filelog.IsLog(s.dir); err != nil {
		return usage("--dir %s: %w", s.dir, err)
	} else if one {
		return usage("--dir %s is the directory of one log; expected a directory of such, one for each node", s.dir)
	}
	if isStreamStore(s.dir) {
		return usage("--dir %s holds the streams of --appender jetstream; choose another directory", s.dir)
	}
	l := &logs{dir: s.dir}
	chains, err := l.chains(ctx)
	if err != nil {
		return usage("--dir %s: %w", s.dir, err)
	}
	for _, c := range chains {
		switch err := unlocked(c.where); {
		case errors.Is(err, filelog.ErrLocked):
			return usage("--dir %s: %w; choose another directory, or wait for the run that is in it", s.dir, err)
		case err != nil:
			return unusable(s.dir, err)
		}
	}
	if err := follows(ctx, cfg, k, l, chains); err != nil {
		return err
	}
	a := &cfg.Appender
	policy := filelog.SyncAlways()
	if a.Sync != "" {
		if policy, err = filelog.ParseSync(a.Sync); err != nil {
			return usage("appender.sync: %w", err)
		}
	}
	o := filelog.Options{MaxRecords: a.Capacity, SegmentBytes: int64(a.SegmentBytes), Sync: policy}
	if err := s.rehearse(ctx, cfg, k, o); err != nil {
		return err
	}
	// Open takes the capacity as what is retained at least: with none, all is.
	a.Sync = policy.String()
	cfg.Open = filelog.DirOpener(s.dir, o)
	k.says = fmt.Sprintf("filelog in %s, sync %s%s", filepath.Join(s.dir, "<node>"), policy, newest(a.Capacity))
	k.readBack = []string{"appender", "cat", s.dir}
	return nil
}

// rehearse opens logs as the run is going to, so that what is wrong with them is
// said before the run, and not judged as if the run had done it: all that are
// there, and the first that is not, for the others are made like it.
func (s *sink) rehearse(ctx context.Context, cfg *sim.Config, k *keep, o filelog.Options) error {
	var nodes []string
	missing := ""
	for n := 1; n <= cfg.Nodes; n++ {
		node := sim.NodeName(n)
		_, err := os.Lstat(filepath.Join(s.dir, node))
		switch {
		case !errors.Is(err, fs.ErrNotExist):
			nodes = append(nodes, node)
		case missing == "":
			missing = node
		}
	}
	if missing != "" {
		nodes = append(nodes, missing) // last: what is refused before makes nothing
	}
	o.Damage = filelog.Refuse
	for _, node := range nodes {
		found, err := rehearseLog(ctx, s.dir, node, o)
		var damage *filelog.CorruptError
		switch {
		case err != nil && ctx.Err() != nil:
			return errNotBegun
		case errors.As(err, &damage):
			return usage("--dir %s: %w; read what is left with `appender cat`, and choose another directory", s.dir, damage)
		case err != nil:
			return unusable(s.dir, err)
		case found.Torn > 0:
			k.holds += fmt.Sprintf("; a torn tail of %s bytes was cut off %s", number(uint64(found.Torn)), found.TornPath)
		}
	}
	return nil
}

// rehearseLog opens a node's log and closes it.
func rehearseLog(ctx context.Context, dir, node string, o filelog.Options) (found filelog.Recovery, err error) {
	if o.FS, err = filelog.NodeDir(dir, node); err != nil {
		return found, err
	}
	// A segment that is made here is the run's, with a salt that no other has.
	l, err := filelog.Open(ctx, o, appender.Env{Node: node, Seed: rand.Uint64(), Clock: newClock()})
	if err != nil {
		return found, err
	}
	return l.Recovery(), l.Close()
}

// unusable is a directory in which a log could not be opened.
func unusable(dir string, err error) error {
	return usage("--dir %s: %w; make it one that may be read and written, or choose another directory", dir, err)
}

// newest says how many records are retained.
func newest(capacity int) string {
	if capacity == 0 {
		return ", every record"
	}
	return fmt.Sprintf(", the newest %s records", number(uint64(capacity)))
}

// unlocked fails if a log is open.
func unlocked(dir string) error {
	fsys, err := filelog.ExistingDir(dir)
	if err != nil {
		return err
	}
	lock, err := fsys.Lock()
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return lock.Close()
}

// follows makes a run begin behind what the logs hold.
func follows(ctx context.Context, cfg *sim.Config, k *keep, l *logs, chains []chain) error {
	var highest uint32
	records := uint64(0)
	for _, c := range chains {
		for rec, err := range l.read(ctx, c, appender.Cursor{}, false) {
			switch {
			case err == nil:
				highest = max(highest, rec.Incarnation)
				records++
			case ctx.Err() != nil:
				return errNotBegun
			case !isDamage(err): // that is for cat to tell
				return unusable(l.dir, err)
			}
		}
	}
	return k.behind(cfg, len(chains), records, highest)
}

// behind makes a run begin above an incarnation.
func (k *keep) behind(cfg *sim.Config, chains int, records uint64, highest uint32) error {
	if highest == math.MaxUint32 {
		return usage("incarnation %d is there already, and no higher one is possible; choose an empty directory or another --prefix", highest)
	}
	cfg.Incarnation = highest + 1
	if chains > 0 {
		k.holds = fmt.Sprintf("%s records of %d nodes; this run is behind them, from incarnation %d on", number(records), chains, cfg.Incarnation)
	}
	return nil
}

// openStreams keeps the records on servers.
func (s *sink) openStreams(ctx context.Context, cfg *sim.Config, k *keep) error {
	o := s.options()
	where := redacted(s.url)
	k.readBack = append([]string{"appender", "cat", where}, s.servers.again()...)
	if s.url == "" {
		dir, err := s.serverDir(k)
		if err != nil {
			return err
		}
		server, err := embedded.Start(embedded.Options{Dir: dir})
		if errors.Is(err, embedded.ErrDirInUse) {
			return usage("--dir %s is in use by another server; choose another directory, or give the URL of that server", dir)
		}
		if err != nil {
			return usage("no server could be started in %s: %w", dir, err)
		}
		remove := k.close
		k.close = func() error {
			server.Shutdown()
			return remove()
		}
		o.URL = server.URL()
		where = fmt.Sprintf("%s, a server in this process that keeps them in %s", server.URL(), orTemporary(s.dir))
	}
	o.MaxRecords, o.Unlimited = cfg.Appender.Capacity, cfg.Appender.Capacity == 0
	found, err := streamsOf(ctx, o)
	switch {
	case err != nil && ctx.Err() != nil:
		return errNotBegun
	case err != nil:
		return usage("%w", err)
	}
	var highest uint32
	records := uint64(0)
	for _, c := range found {
		highest = max(highest, c.Incarnation)
		records += c.Retained
	}
	if err := k.behind(cfg, len(found), records, highest); err != nil {
		return err
	}
	if err := rehearseStreams(ctx, cfg, o, found); err != nil {
		return err
	}
	cfg.Appender.Sync = filelog.SyncAlways().String() // what is acknowledged survives a node's crash
	cfg.Open = jetstream.Opener(o)
	k.says = fmt.Sprintf("jetstream at %s, streams %s@<node>%s", where, o.Prefix, newest(cfg.Appender.Capacity))
	return nil
}

func orTemporary(dir string) string {
	if dir == "" {
		return "a temporary directory"
	}
	return dir
}

// serverDir is where the server of this process keeps its streams.
func (s *sink) serverDir(k *keep) (string, error) {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "meshsim-")
		if err != nil {
			return "", usage("no temporary directory: %w", err)
		}
		k.readBack = nil
		before := k.close
		k.close = func() error { return errors.Join(os.RemoveAll(dir), before()) }
		return dir, nil
	}
	k.readBack = []string{"appender", "cat", s.dir}
	if s.prefix != jetstream.DefaultPrefix {
		k.readBack = append(k.readBack, "--prefix", s.prefix)
	}
	// What cannot be looked into is for the server to tell.
	dirs := []string{s.dir}
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		dirs = append(dirs, filepath.Join(s.dir, e.Name()))
	}
	for _, dir := range dirs {
		if log, _ := filelog.IsLog(dir); log {
			return "", usage("--dir %s holds the logs of --appender filelog; choose another directory", s.dir)
		}
	}
	return s.dir, nil
}

// rehearseStreams opens a stream as the run is going to, so that what is wrong with the
// servers or with streams that are there already is said before the run, once.
func rehearseStreams(ctx context.Context, cfg *sim.Config, o jetstream.Options, found []jetstream.Chain) error {
	nodes := []string{sim.NodeName(1)}
	for _, c := range found {
		if n, ok := nodeNumber(c.Node, cfg.Nodes); ok && n > 1 {
			nodes = append(nodes, c.Node)
		}
	}
	for _, node := range nodes {
		// The epochs of the run begin with 1: it takes over from this.
		a, err := openStream(ctx, appender.Env{Node: node, Incarnation: cfg.Incarnation, Clock: newClock()}, o)
		if err == nil {
			err = appender.Close(a)
		}
		var other *jetstream.ConfigError
		switch {
		case err != nil && ctx.Err() != nil:
			return errNotBegun
		case errors.As(err, &other) && other.Field == "MaxRecords":
			return usage("stream %s keeps %s records, not %s; set appender.capacity to what it has, or choose another --prefix",
				other.Stream, other.Have, other.Want)
		case err != nil:
			return usage("%w", err)
		}
	}
	return nil
}

// nodeNumber is the number of a node by its name, if the mesh has it.
func nodeNumber(name string, nodes int) (int, bool) {
	for n := 1; n <= nodes; n++ {
		if sim.NodeName(n) == name {
			return n, true
		}
	}
	return 0, false
}

// closing ends the use of the place. What was to be told is told, and printed
// by now.
func (a *app) closing(k *keep) {
	if err := k.close(); err != nil {
		fmt.Fprintf(a.err, "meshsim: %s\n", oneLine(err))
	}
}

// readBack says how what a run has stored is read.
func (a *app) readBack(k *keep) {
	if k.readBack != nil {
		fmt.Fprintf(a.out, "read back: %s\n", a.command(k.readBack...))
	}
}
