package filelog

import "meshsim/appender"

// EncodeRecords is the payload of a frame of recs.
func EncodeRecords(recs []appender.Record) []byte {
	var b []byte
	prev := new(appender.Record)
	for i := range recs {
		b = appendRecord(b, &recs[i], prev)
		prev = &recs[i]
	}
	return b
}

// DecodeRecords reads a payload of so many records; false if it is not one.
func DecodeRecords(payload string, count int) ([]appender.Record, bool) {
	d := decoder{text: payload}
	var recs []appender.Record
	for range count {
		rec, ok := d.next()
		if !ok {
			return nil, false
		}
		recs = append(recs, rec)
	}
	return recs, d.end()
}

// FramesBegin is where the first frame of a segment stands.
const FramesBegin = framesBegin
