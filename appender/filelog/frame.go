package filelog

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"meshsim/appender"
)

// The format, version 1. Numbers are little-endian.
//
// A segment is a file that begins with its header, twice, so that one bit does
// not cost a segment. Frames follow, each at a multiple of 8, one per append
// batch. What is behind the last is zeros or the rest of what was torn.
//
// Every checksum is CRC-32C, salted with the segment's salt and the offset: so
// neither old bytes, nor a message that is made to look like a frame, is ever
// taken for one.
const (
	version = 1

	headerSize  = 64
	framesBegin = 2 * headerSize

	frameHeaderSize = 48
	frameAlign      = 8
	// frameEnd is the last byte of every frame. It is not zero: what a write that
	// was cut short leaves out of a frame is not made good by zeros that were there.
	frameEnd = 0xe5

	// maxPayload bounds what a length read from a disk may ask for.
	maxPayload = 1 << 30
	// splitPayload is where a batch is split into several frames.
	splitPayload = 4 << 20
)

var magic = [8]byte{'m', 'e', 's', 'h', 'l', 'o', 'g', version}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is that of b at an offset of a segment: the salt and the offset are
// what it begins with, so that the same bytes elsewhere have another.
func checksum(salt uint64, offset int64, b []byte) uint32 {
	return crc32.Update(uint32(appender.Mix(salt^appender.Mix(uint64(offset)))), castagnoli, b)
}

// segmentHeader opens a segment.
type segmentHeader struct {
	number uint64
	salt   uint64
	first  uint64 // position of the first record
	head   uint64 // position of the oldest record retained, when it was made
	// prev is the number of the segment before, 0 if there is none. Numbers have
	// gaps: one under which a segment could not be made is not used again.
	prev uint64
	// prevEnd is where the segment before ends, whatever else is found there:
	// bytes that a failed sync left behind are not to come back.
	prevEnd int64
	durable uint64 // position up to which records survive a power failure
}

func (h *segmentHeader) encode(b []byte) {
	copy(b, magic[:])
	le := binary.LittleEndian
	le.PutUint64(b[8:], h.number)
	le.PutUint64(b[16:], h.salt)
	le.PutUint64(b[24:], h.first)
	le.PutUint64(b[32:], h.head)
	le.PutUint64(b[40:], uint64(h.prevEnd))
	le.PutUint64(b[48:], h.durable)
	le.PutUint32(b[56:], uint32(h.number-h.prev))
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	copy(b[headerSize:framesBegin], b[:headerSize])
}

// decodeHeader reads one copy of a segment's header.
func decodeHeader(b []byte) (h segmentHeader, ok bool) {
	le := binary.LittleEndian
	if [8]byte(b) != magic || le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return h, false
	}
	h = segmentHeader{
		number: le.Uint64(b[8:]), salt: le.Uint64(b[16:]), first: le.Uint64(b[24:]),
		head: le.Uint64(b[32:]), prevEnd: int64(le.Uint64(b[40:])), durable: le.Uint64(b[48:]),
	}
	h.prev = h.number - uint64(le.Uint32(b[56:]))
	return h, h.prevEnd >= 0 && h.head <= h.first
}

// frameHeader opens a frame. One without records is written when a log is closed,
// for what it says is durable.
type frameHeader struct {
	payload uint32 // bytes
	count   uint32 // records
	first   uint64 // position of the first record
	head    uint64 // position of the oldest record retained once this frame is in
	// durable is the position up to which records were known to survive a
	// power failure when the frame was written. By it, a reader that finds a
	// bad frame in front of a good one tells damage from what was never synced.
	durable    uint64
	firstSeq   uint64
	payloadSum uint32 // of all behind the header: payload, zeros that fill it up, frameEnd
}

// size is what the frame takes in its file.
func (h *frameHeader) size() int64 {
	return (frameHeaderSize + int64(h.payload) + 1 + frameAlign - 1) &^ (frameAlign - 1)
}

// encode writes the header of a frame that stands at an offset.
func (h *frameHeader) encode(b []byte, salt uint64, offset int64) {
	le := binary.LittleEndian
	le.PutUint32(b, h.payload)
	le.PutUint32(b[4:], h.count)
	le.PutUint64(b[8:], h.first)
	le.PutUint64(b[16:], h.head)
	le.PutUint64(b[24:], h.durable)
	le.PutUint64(b[32:], h.firstSeq)
	le.PutUint32(b[40:], h.payloadSum)
	le.PutUint32(b[44:], checksum(salt, offset, b[:44]))
}

// pad makes a frame of a header's room and a payload whole.
func pad(b []byte) []byte {
	for (len(b)+1)%frameAlign != 0 {
		b = append(b, 0)
	}
	return append(b, frameEnd)
}

// seal completes a frame that was padded, with what its header says.
func (h *frameHeader) seal(b []byte, salt uint64, offset int64) {
	h.payloadSum = checksum(salt, offset+frameHeaderSize, b[frameHeaderSize:])
	h.encode(b, salt, offset)
}

func decodeFrameHeader(b []byte, salt uint64, offset int64) (h frameHeader, ok bool) {
	le := binary.LittleEndian
	h = frameHeader{
		payload: le.Uint32(b), count: le.Uint32(b[4:]), first: le.Uint64(b[8:]), head: le.Uint64(b[16:]),
		durable: le.Uint64(b[24:]), firstSeq: le.Uint64(b[32:]), payloadSum: le.Uint32(b[40:]),
	}
	if h.payload > maxPayload || h.payload < h.count || h.count == 0 && h.payload > 0 {
		return h, false
	}
	return h, le.Uint32(b[44:]) == checksum(salt, offset, b[:44])
}

// A record is a tag, then what the tag says differs from the record before it
// in the frame, then what always follows.
const (
	tagOrigin  = 1 << iota // node, incarnation and stream follow
	tagSeq                 // the number follows: it is not the next one
	tagDaemon              // a daemon follows
	tagFlags               // flags follow
	tagUnknown = ^byte(tagOrigin | tagSeq | tagDaemon | tagFlags)
)

// appendRecord encodes rec behind prev, the one before it in the frame, the
// zero Record if there is none.
func appendRecord(b []byte, rec, prev *appender.Record) []byte {
	tag := byte(0)
	if rec.Incarnation != prev.Incarnation || rec.Stream != prev.Stream || rec.Node != prev.Node {
		tag |= tagOrigin
	}
	if rec.Seq != prev.Seq+1 {
		tag |= tagSeq
	}
	if rec.Daemon != 0 {
		tag |= tagDaemon
	}
	if rec.Flags != 0 {
		tag |= tagFlags
	}
	b = append(b, tag, byte(rec.Level))
	if tag&tagOrigin != 0 {
		b = binary.AppendUvarint(b, uint64(len(rec.Node)))
		b = append(b, rec.Node...)
		b = binary.AppendUvarint(b, uint64(rec.Incarnation))
		b = append(b, rec.Stream)
	}
	if tag&tagSeq != 0 {
		b = binary.AppendUvarint(b, rec.Seq)
	}
	if tag&tagDaemon != 0 {
		b = binary.AppendUvarint(b, rec.Daemon)
	}
	if tag&tagFlags != 0 {
		b = append(b, rec.Flags)
	}
	b = binary.AppendVarint(b, int64(rec.TimeMs-prev.TimeMs))
	b = binary.AppendUvarint(b, uint64(len(rec.Message)))
	return append(b, rec.Message...)
}

// decoder reads the records of one frame's payload.
type decoder struct {
	text string // the payload: what the records' strings are parts of
	at   int
	prev appender.Record
	bad  bool
}

func (d *decoder) byte() byte {
	if d.at >= len(d.text) {
		d.bad = true
		return 0
	}
	d.at++
	return d.text[d.at-1]
}

// uvarint reads what binary.AppendUvarint wrote, and nothing longer: a value
// has one encoding.
func (d *decoder) uvarint() uint64 {
	var x uint64
	for shift := uint(0); ; shift += 7 {
		c := d.byte()
		if shift == 63 && c > 1 || c == 0 && shift > 0 {
			d.bad = true
		}
		x |= uint64(c&0x7f) << shift
		if d.bad || c < 0x80 {
			return x
		}
	}
}

func (d *decoder) string() string {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.text)-d.at) {
		d.bad = true
		return ""
	}
	d.at += int(n)
	return d.text[d.at-int(n) : d.at]
}

// next reads the next record; false if what is there is not one.
func (d *decoder) next() (appender.Record, bool) {
	tag := d.byte()
	rec := d.prev
	rec.Seq++
	rec.Daemon, rec.Flags = 0, 0
	rec.Level = appender.Level(d.byte())
	if tag&tagOrigin != 0 {
		rec.Node = d.string()
		inc := d.uvarint()
		rec.Incarnation = uint32(inc)
		rec.Stream = d.byte()
		d.bad = d.bad || bits.Len64(inc) > 32
	}
	if tag&tagSeq != 0 {
		rec.Seq = d.uvarint()
	}
	if tag&tagDaemon != 0 {
		rec.Daemon = d.uvarint()
	}
	if tag&tagFlags != 0 {
		rec.Flags = d.byte()
	}
	delta := d.uvarint()
	rec.TimeMs += delta>>1 ^ -(delta & 1) // zigzag, as binary.AppendVarint
	rec.Message = d.string()
	if d.bad || tag&tagUnknown != 0 {
		d.bad = true
		return appender.Record{}, false
	}
	d.prev = rec
	return rec, true
}

// end reports whether the payload held these records and nothing else.
func (d *decoder) end() bool { return !d.bad && d.at == len(d.text) }
