package filelog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
)

// segmentSuffix ends the names of segments: 20 digits, so that names sort as
// numbers do.
const segmentSuffix = ".seg"

// maxSegments bounds the numbers of segments: what is named higher is no log's.
const maxSegments = 1 << 40

func segmentName(number uint64) string { return fmt.Sprintf("%020d%s", number, segmentSuffix) }

func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0 && n < maxSegments
}

// window reads a file through a buffer.
type window struct {
	f    File
	size int64
	off  int64
	buf  []byte // the bytes from off on
	// ahead is how much the next read is of.
	ahead int64
}

// A window's first read is of leastWindow, so that looking at a file costs little,
// and each that follows of more, up to windowBytes.
const (
	leastWindow = 4 << 10
	windowBytes = 256 << 10
)

func newWindow(f File) (*window, error) {
	size, err := f.Size()
	return &window{f: f, size: size, ahead: leastWindow}, err
}

// at returns n bytes from off on, valid until the next call, or fewer where the
// file ends.
func (w *window) at(off, n int64) ([]byte, error) {
	n = max(min(n, w.size-off), 0)
	if off >= w.off && off+n <= w.off+int64(len(w.buf)) {
		return w.buf[off-w.off:][:n], nil
	}
	want := min(max(n, w.ahead), w.size-off)
	w.ahead = min(4*w.ahead, windowBytes)
	if int64(cap(w.buf)) < want {
		w.buf = make([]byte, want)
	}
	w.buf = w.buf[:max(want, 0)]
	w.off = off
	got, err := w.f.ReadAt(w.buf, off)
	w.buf = w.buf[:got]
	if errors.Is(err, io.EOF) {
		err = nil // it became shorter, or is read beside its writer
	}
	return w.buf[:min(n, int64(got))], err
}

// frame returns the frame that stands at off and ends at or before limit; false
// if there is none that is whole. The payload is valid until the next call.
func (w *window) frame(salt uint64, off, limit int64) (h frameHeader, payload []byte, ok bool, err error) {
	if off+frameHeaderSize > min(limit, w.size) {
		return h, nil, false, nil
	}
	b, err := w.at(off, frameHeaderSize)
	if err != nil || len(b) < frameHeaderSize {
		return h, nil, false, err
	}
	if h, ok = decodeFrameHeader(b, salt, off); !ok || off+h.size() > min(limit, w.size) {
		return h, nil, false, nil
	}
	b, err = w.at(off, h.size())
	if err != nil || int64(len(b)) < h.size() {
		return h, nil, false, err
	}
	// The padding counts: a frame of which any byte is missing is none.
	ok = checksum(salt, off+frameHeaderSize, b[frameHeaderSize:]) == h.payloadSum
	return h, b[frameHeaderSize:][:h.payload], ok, nil
}

// find returns the offset of the first whole frame at or behind off whose
// records come at or behind position pos; false if there is none up to limit.
func (w *window) find(salt uint64, off, limit int64, pos uint64) (int64, bool, error) {
	for off = (off + frameAlign - 1) &^ (frameAlign - 1); off+frameHeaderSize <= min(limit, w.size); off += frameAlign {
		b, err := w.at(off, frameHeaderSize)
		if err != nil || len(b) < frameHeaderSize {
			return 0, false, err
		}
		if [frameHeaderSize]byte(b) == none {
			continue // zeros say nothing, even where their checksum is zero
		}
		if h, ok := decodeFrameHeader(b, salt, off); !ok || h.first < pos {
			continue
		}
		if _, _, ok, err := w.frame(salt, off, limit); ok || err != nil {
			return off, ok, err
		}
	}
	return 0, false, nil
}

// none is where no frame was written.
var none [frameHeaderSize]byte

// written reports whether anything but zeros stands behind the header.
func (w *window) written() (bool, error) {
	for at := int64(framesBegin); at < w.size; {
		b, err := w.at(at, min(leastWindow, w.size-at))
		if err != nil || len(b) == 0 {
			return false, err
		}
		if len(bytes.TrimLeft(b, "\x00")) > 0 {
			return true, nil
		}
		at += int64(len(b))
	}
	return false, nil
}

// garbage returns where the bytes behind off that are not zero end: off, if
// there are none.
func (w *window) garbage(off int64) (int64, error) {
	end := off
	for at := off; at < w.size; {
		b, err := w.at(at, min(windowBytes, w.size-at))
		if err != nil || len(b) == 0 {
			return end, err
		}
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				end = at + int64(i) + 1
				break
			}
		}
		at += int64(len(b))
	}
	return end, nil
}

// span is a run of frames without a gap: consecutive in their file, and in
// their positions. A segment's header is an empty one.
type span struct {
	begin, end  int64
	first, last uint64 // positions: the first record, and the first behind
	durable     uint64 // the largest that a frame in it tells of
	head        uint64
	lastSeq     uint64
	records     int64 // where its last frame with records ends
}

// scanned is what was found in one file.
type scanned struct {
	name   string
	number uint64
	header segmentHeader
	size   int64
	spans  []span
	newest uint64 // TimeMs of the last record
	// unreadable: neither copy of the header is whole; blank: and nothing else
	// is in the file.
	unreadable, blank bool
	written           bool // something stands behind the header
	unmade            bool // it never became part of the log
	// ends is where the one behind says that it ends; -1 if none does, and 0 if that
	// was made by an opening that found it unreadable: then positions do not tell
	// what is missing.
	ends       int64
	hurt, mend bool // one copy of the header is not whole; and is to be made so
}

// last is the last span; there is always one.
func (s *scanned) last() *span { return &s.spans[len(s.spans)-1] }

// scanAll reads every segment of a directory, oldest first.
func scanAll(fsys FS) ([]*scanned, error) {
	names, err := fsys.List()
	if err != nil {
		return nil, fmt.Errorf("filelog: listing %s: %w", fsys.Path(""), err)
	}
	var all []*scanned
	for _, name := range names {
		n, ok := segmentNumber(name)
		if !ok {
			continue
		}
		s := &scanned{name: name, number: n, ends: -1}
		if err := s.readHeader(fsys); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	// A segment ends where the one behind it says, if that was ever written to:
	// one that could not be made, and could not be removed or came back with the
	// power, says nothing.
	var behind *scanned
	least := uint64(math.MaxUint64) // number that a later one names
	for _, s := range slices.Backward(all) {
		limit, upTo := s.size, uint64(math.MaxUint64)
		named := behind != nil && behind.header.prev == s.number
		switch {
		case named:
			limit, s.ends = behind.header.prevEnd, behind.header.prevEnd
		case behind != nil:
			upTo = behind.header.first // the one that told where it ends was dropped
		}
		if err := s.readFrames(fsys, limit, upTo); err != nil {
			return nil, err
		}
		switch {
		case named && !s.unreadable || s.entered():
			behind = s // named, it was made, though all of its frames were taken back
		case !named:
			// One that came later was not made behind it.
			s.unmade = least < s.number
		}
		if !s.unreadable {
			least = min(least, s.header.prev)
		}
	}
	return all, nil
}

// entered reports whether there are frames in it, or what is left of one.
func (s *scanned) entered() bool {
	return s.written || len(s.spans) > 1 || len(s.spans) == 1 && s.spans[0].end > s.spans[0].begin
}

func (s *scanned) open(fsys FS) (File, *window, error) {
	f, err := fsys.OpenRead(s.name)
	if err != nil {
		return nil, nil, fmt.Errorf("filelog: opening %s: %w", fsys.Path(s.name), err)
	}
	w, err := newWindow(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("filelog: reading %s: %w", fsys.Path(s.name), err), f.Close())
	}
	return f, w, nil
}

func (s *scanned) readHeader(fsys FS) (err error) {
	f, w, err := s.open(fsys)
	if err != nil {
		return err
	}
	defer f.Close()
	s.size = w.size
	b, err := w.at(0, framesBegin)
	if err != nil {
		return fmt.Errorf("filelog: reading %s: %w", fsys.Path(s.name), err)
	}
	var ok, second bool
	if len(b) == framesBegin {
		var h segmentHeader
		s.header, ok = decodeHeader(b[:headerSize])
		if h, second = decodeHeader(b[headerSize:]); second && !ok {
			s.header = h
		}
		s.hurt = ok != second
		ok = (ok || second) && s.header.number == s.number
	}
	if !ok {
		s.unreadable = true
		end, err := w.garbage(framesBegin)
		if err != nil {
			return fmt.Errorf("filelog: reading %s: %w", fsys.Path(s.name), err)
		}
		s.blank = end <= framesBegin
		return nil
	}
	h := &s.header
	s.spans = append(s.spans, span{
		begin: framesBegin, end: framesBegin, first: h.first, last: h.first, durable: h.durable, head: h.head, records: framesBegin,
	})
	return nil
}

// readFrames finds every whole frame up to limit whose records come in front of a
// position.
func (s *scanned) readFrames(fsys FS, limit int64, upTo uint64) error {
	if s.unreadable {
		return nil
	}
	f, w, err := s.open(fsys)
	if err != nil {
		return err
	}
	defer f.Close()
	fail := func(err error) error { return fmt.Errorf("filelog: reading %s: %w", fsys.Path(s.name), err) }
	if s.written, err = w.written(); err != nil {
		return fail(err)
	}
	salt := s.header.salt
	for off := int64(framesBegin); ; {
		run := s.last()
		h, payload, ok, err := w.frame(salt, off, limit)
		if err != nil {
			return fail(err)
		}
		if ok && h.first+uint64(h.count) > upTo {
			return nil
		}
		if ok && h.first >= run.last {
			if h.first > run.last || off > run.end {
				s.spans = append(s.spans, span{begin: off, first: h.first, durable: run.durable, head: run.head, lastSeq: run.lastSeq, records: off})
				run = s.last()
			}
			if h.count > 0 {
				if run.lastSeq, s.newest, ok = inspect(&h, payload); !ok {
					return fail(fmt.Errorf("the frame at offset %d is of an unknown format", off))
				}
				run.records = off + h.size()
			}
			off += h.size()
			run.end, run.last = off, h.first+uint64(h.count)
			run.durable, run.head = max(run.durable, h.durable), max(run.head, h.head)
			continue
		}
		if off, ok, err = w.find(salt, off+frameAlign, limit, run.last); err != nil {
			return fail(err)
		}
		if !ok {
			return nil
		}
	}
}

// inspect decodes a payload whose checksum is right: its records must be what
// the header says.
func inspect(h *frameHeader, payload []byte) (lastSeq, newest uint64, ok bool) {
	d := decoder{text: string(payload)}
	for range h.count {
		if _, ok := d.next(); !ok {
			return 0, 0, false
		}
	}
	return d.prev.Seq, d.prev.TimeMs, d.end()
}

// gone reports whether an error is that of a file that retention removed.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
