package filelog

import (
	"fmt"
	"math"
	"slices"
)

// extent is a segment as far as a round reads it.
type extent struct {
	scanned
	limit int64  // where it ends; -1: where its last whole frame does
	next  uint64 // position at which the next segment begins, if one is whole
	known uint64 // position at which the next whole one begins that was made
	// parted: that one does not name this, so others have been in between.
	parted bool
}

// knows is the position up to which records are known to be durable, or gone, by
// what is in it and behind it.
func (x *extent) knows(fsys FS, limit int64) (uint64, error) {
	s := x.scanned
	s.spans = slices.Clone(s.spans)
	if err := s.readFrames(fsys, limit, math.MaxUint64); err != nil {
		return 0, err
	}
	return max(s.last().durable, x.next, x.known), nil
}

// extents lists the segments, and finds the oldest record retained.
func (r *reader) extents() ([]extent, uint64, error) {
	names, err := r.fs.List()
	if err != nil {
		return nil, 0, fmt.Errorf("filelog: listing %s: %w", r.fs.Path(""), err)
	}
	var list []extent
	head := uint64(0)
	for _, name := range names {
		n, ok := segmentNumber(name)
		if !ok || n < r.in {
			continue // or it was read
		}
		x := extent{scanned: scanned{name: name, number: n}, limit: -1}
		if err := x.readHeader(r.fs); err != nil {
			if gone(err) {
				continue
			}
			return nil, 0, err
		}
		if x.blank || x.unreadable && x.size < framesBegin {
			continue // it is being made
		}
		head = max(head, x.header.head)
		list = append(list, x)
	}
	if list, err = r.link(list); err != nil {
		return nil, 0, err
	}
	if r.log != nil {
		head = r.log.oldest.Load()
	} else if !r.begun {
		k, err := r.told(list)
		if err != nil && !gone(err) {
			return nil, 0, err
		}
		head = max(head, k.head)
	}
	return list, head, nil
}

// link tells every segment where it ends, by the one that follows. Segments that
// were never made are left out, see scanAll, unless nothing is behind: the newest
// may have been begun just now.
func (r *reader) link(list []extent) ([]extent, error) {
	var behind, next *extent // the next that is whole, and the next
	linked := list[len(list):]
	for i := len(list) - 1; i >= 0; i-- {
		x := &list[i]
		made := behind != nil && behind.header.prev == x.number
		if !made && !x.unreadable {
			var err error
			if made, err = x.begun(r.fs); err != nil && !gone(err) {
				return nil, err
			}
			if !made && behind != nil {
				continue
			}
		}
		if behind != nil {
			x.known, x.parted = behind.header.first, behind.header.prev > x.number
		}
		switch {
		case behind != nil && behind.header.prev == x.number:
			x.limit, x.next = behind.header.prevEnd, behind.header.first
		case next != nil && !next.unreadable:
			x.next = next.header.first
			if behind != nil || x.unreadable {
				x.limit = x.size
			}
		case x.unreadable && behind != nil && next.limit == 0:
			x.limit, x.next = 0, next.next // an opening found them so, all of them
		case x.unreadable && behind != nil:
			x.limit, x.next = x.size, behind.header.first
		}
		if made && !x.unreadable {
			behind = x
		}
		next = x
		linked = append(linked, *x)
	}
	slices.Reverse(linked)
	return linked, nil
}

// told is what the newest frames of a log say, and the headers of segments.
func (r *reader) told(list []extent) (knowledge, error) {
	var newest []*scanned
	for i := len(list) - 1; i >= 0; i-- {
		s := list[i].scanned
		s.spans = slices.Clone(s.spans)
		if err := s.readFrames(r.fs, s.size, math.MaxUint64); err != nil {
			return knowledge{}, err
		}
		newest = append(newest, &s)
		if s.entered() {
			break // those in front are older
		}
	}
	slices.Reverse(newest)
	known, _ := know(newest, false)
	return knownBehind(known, -1), nil
}

// begun reports whether anything is behind a segment's header: until then it says nothing
// about the one in front, see scanAll.
func (x *extent) begun(fsys FS) (bool, error) {
	f, w, err := x.open(fsys)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return w.written()
}
