package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"meshsim/appender"
	"meshsim/appender/filelog"
	"meshsim/appender/jetstream"
	"meshsim/appender/jetstream/embedded"
)

// archive is where chains of records are kept: a directory of logs, or servers.
type archive interface {
	// chains lists what is there now, in the order of the nodes' names.
	chains(ctx context.Context) ([]chain, error)
	// read yields a chain from a cursor on. A *filelog.CorruptError stands in
	// the place of records that are lost; any other error ends it.
	read(ctx context.Context, c chain, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error]
	// name is what the reader calls it.
	name() string
	close()
}

// chain is the records of one node.
type chain struct {
	node  string
	known bool   // the node's name; a log on its own does not tell it
	where string // a directory, or the name of a stream
}

func byNode(a, b chain) int {
	// n2 comes before n10, as long as names are of the same kind.
	if x, y := strings.TrimRight(a.node, "0123456789"), strings.TrimRight(b.node, "0123456789"); x == y {
		if d := cmp.Compare(len(a.node), len(b.node)); d != 0 {
			return d
		}
	}
	return cmp.Compare(a.node, b.node)
}

// openArchive opens what the words DIR|URL name.
func openArchive(where string, s *servers) (archive, error) {
	if where == "" {
		return nil, usage(`"": expected a directory of logs, or a URL such as nats://host:4222`)
	}
	if looksLikeURL(where) {
		s.url = where
		if err := s.check(true); err != nil {
			return nil, err
		}
		return &streams{o: s.options(), says: redacted(where), close_: func() {}}, nil
	}
	for _, f := range s.secrets() {
		if f.value != "" {
			return nil, usage("--%s is for a server elsewhere, and %s is no URL", f.name, where)
		}
	}
	if err := isDirectory(where); err != nil {
		return nil, err
	}
	if isStreamStore(where) {
		return openStore(where, s)
	}
	return &logs{dir: where, clock: newClock()}, nil
}

// isDirectory says in one line why where is not a directory that can be read.
func isDirectory(where string) error {
	info, err := os.Stat(where)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usage("directory %s does not exist; expected a directory of logs, or a URL such as nats://host:4222", where)
	case err != nil:
		return usage("directory cannot be read: %w", err)
	case !info.IsDir() && filepath.Ext(where) == segmentSuffix:
		return usage("%s is one segment of a log: give the log's directory, %s", where, filepath.Dir(where))
	case !info.IsDir():
		return usage("directory expected, and %s is a file", where)
	}
	if _, err := os.ReadDir(where); err != nil {
		return usage("directory cannot be read: %w", err)
	}
	return nil
}

// segmentSuffix ends the names of a log's files.
const segmentSuffix = ".seg"

// isStreamStore reports whether a directory is where a server keeps streams, and
// not where a node of that name keeps its log.
func isStreamStore(dir string) bool {
	store := filepath.Join(dir, "jetstream")
	info, err := os.Stat(store)
	if err != nil || !info.IsDir() {
		return false
	}
	log, err := filelog.IsLog(store)
	return err == nil && !log
}

// logs is a directory of logs, or of one.
type logs struct {
	dir   string
	clock appender.Clock
}

func (l *logs) name() string { return l.dir }
func (l *logs) close()       {}

func (l *logs) chains(context.Context) ([]chain, error) {
	switch one, err := filelog.IsLog(l.dir); {
	case err != nil:
		return nil, err
	case one:
		return []chain{{where: l.dir}}, nil
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	var list []chain
	for _, e := range entries {
		if !e.IsDir() && e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		// What cannot be looked into counts, so that reading it says why; but for
		// lost+found and others that are no node's.
		dir := filepath.Join(l.dir, e.Name())
		if log, err := filelog.IsLog(dir); !log && (err == nil || !mayBeNodes(e.Name())) {
			continue
		}
		list = append(list, chain{node: nodeOfDir(e.Name()), known: true, where: dir})
	}
	slices.SortStableFunc(list, byNode)
	return list, nil
}

// nodeOfDir is the node whose log is in the directory of that name: see
// filelog.NodeDir.
func nodeOfDir(name string) string {
	if name == "%" {
		return ""
	}
	if node, err := url.PathUnescape(name); err == nil {
		return node
	}
	return name
}

// mayBeNodes reports whether filelog.NodeDir could have made a directory of that
// name.
func mayBeNodes(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.%", r)
	}) && !strings.HasPrefix(name, ".")
}

func (l *logs) read(ctx context.Context, c chain, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	fsys, err := filelog.ExistingDir(c.where)
	if err != nil {
		return func(yield func(appender.Record, error) bool) { yield(appender.Record{}, err) }
	}
	return filelog.Read(ctx, fsys, l.clock, from, follow)
}

// streams is what servers keep.
type streams struct {
	o      jetstream.Options
	says   string
	close_ func()
}

// openStore reads the directory of a server that does not run, by running one.
func openStore(dir string, s *servers) (archive, error) {
	server, err := embedded.Start(embedded.Options{Dir: dir})
	if errors.Is(err, embedded.ErrDirInUse) {
		return nil, usage("%s is in use by a server; read it through the URL that the run in it prints", dir)
	}
	if err != nil {
		return nil, usage("%s: the streams in it cannot be opened: %w", dir, err)
	}
	o := s.options()
	o.URL = server.URL()
	return &streams{o: o, says: dir, close_: server.Shutdown}, nil
}

func (s *streams) name() string { return s.says }
func (s *streams) close()       { s.close_() }

func (s *streams) chains(ctx context.Context) ([]chain, error) {
	found, err := streamsOf(ctx, s.o)
	if err != nil {
		return nil, err
	}
	var list []chain
	for _, c := range found {
		list = append(list, chain{node: c.Node, known: true, where: c.Stream})
	}
	slices.SortStableFunc(list, byNode)
	return list, nil
}

func (s *streams) read(ctx context.Context, c chain, from appender.Cursor, follow bool) iter.Seq2[appender.Record, error] {
	return jetstream.Read(ctx, s.o, c.node, from, follow)
}
