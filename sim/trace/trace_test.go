package trace_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"meshsim/sim/trace"
)

// constants are the names of a file's constants of the first const block that
// begins with first.
func constants(t *testing.T, first string) []string {
	f, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	require.NoError(t, err)
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		var names []string
		for _, s := range g.Specs {
			for _, n := range s.(*ast.ValueSpec).Names {
				if n.Name != "_" {
					names = append(names, n.Name)
				}
			}
		}
		if names[0] == first {
			return names
		}
	}
	t.Fatal("no constants begin with ", first)
	return nil
}

var capital = regexp.MustCompile("(.)([A-Z])")

// kebab turns RecordSettled into record-settled.
func kebab(s string) string { return strings.ToLower(capital.ReplaceAllString(s, "$1-$2")) }

func TestEveryKindHasItsConstantsName(t *testing.T) {
	names := constants(t, "NodeStarted")
	require.Len(t, names, trace.NumKinds, "the kinds but 0, and NumKinds")
	for i, name := range names[:trace.NumKinds-1] {
		k := trace.Kind(i + 1)
		require.Equal(t, kebab(name), k.String())
		back, ok := trace.ParseKind(k.String())
		require.True(t, ok)
		require.Equal(t, k, back)
	}
	require.Equal(t, "kind0", trace.Kind(0).String())
	require.Equal(t, "kind200", trace.Kind(200).String())
	for _, name := range []string{"", "kind0", "Mark"} {
		_, ok := trace.ParseKind(name)
		require.False(t, ok)
	}
}

func TestEveryResultHasAName(t *testing.T) {
	names := constants(t, "ResultOK")
	require.Len(t, names, trace.NumResults)
	for i, name := range names {
		r := trace.Result(i)
		require.Equal(t, strings.ReplaceAll(kebab(strings.TrimPrefix(name, "Result")), "o-k", "ok"), r.String())
		back, ok := trace.ParseResult(r.String())
		require.True(t, ok)
		require.Equal(t, r, back)
	}
	require.Equal(t, "result99", trace.Result(99).String())
	_, ok := trace.ParseResult("result99")
	require.False(t, ok)
}

func TestQuantifiersAreTheirNames(t *testing.T) {
	require.Equal(t, "sometimes", trace.Sometimes.String())
	require.Equal(t, "eventually", trace.Eventually.String())
	require.Equal(t, "always", trace.Quantifier("").String())
}

func TestKindSetsHoldWhatTheyWereMadeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.Custom(func(t *rapid.T) trace.Kind { return trace.Kind(rapid.IntRange(1, trace.NumKinds-1).Draw(t, "kind")) })
		ks := rapid.SliceOf(kind).Draw(t, "kinds")
		set := trace.Kinds(ks...)
		for k := trace.Kind(1); int(k) < trace.NumKinds; k++ {
			in := false
			for _, x := range ks {
				in = in || x == k
			}
			require.Equal(t, in, set.Has(k))
			require.True(t, trace.AllKinds.Has(k))
		}
	})
}

func TestIdentityHoldsExactlyWhenTheLedgerBalances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func() uint64 { return rapid.Uint64Range(0, 1000).Draw(t, "n") }
		l := trace.Ledger{Appended: n(), Failed: n(), Unknown: n(), Dropped: n(), Lost: n(), Queued: n(), InHand: n(), Retrying: n()}
		l.Emitted = l.Appended + l.Failed + l.Unknown + l.Dropped + l.Lost + l.Queued + l.InHand + l.Retrying
		require.NoError(t, l.Identity())
		v := reflect.ValueOf(&l).Elem()
		f := v.Field(rapid.IntRange(0, v.NumField()-1).Draw(t, "field"))
		f.SetUint(f.Uint() + 1)
		require.ErrorIs(t, l.Identity(), trace.ErrImbalance, "any term counts")
	})
	l := trace.Ledger{Emitted: 9, Appended: 1, Failed: 2, Unknown: 3, Queued: 1, Retrying: 1}
	require.EqualError(t, l.Identity(), "trace: ledger does not balance: emitted 9, but appended 1 + failed 2 + unknown 3 + "+
		"dropped 0 + lost 0 + pending 2 (queued 1 + in hand 0 + retrying 1) = 8")
}

// fill sets every field of an event that is written down, also fields that are
// added later, to drawn values.
func fill(t *rapid.T, v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch {
		case name == "Data":
		case name == "Kind":
			f.SetUint(uint64(rapid.IntRange(1, trace.NumKinds-1).Draw(t, name)))
		case name == "Result":
			f.SetUint(uint64(rapid.IntRange(0, trace.NumResults-1).Draw(t, name)))
		case name == "Err":
			if rapid.Bool().Draw(t, name) {
				f.Set(reflect.ValueOf(errors.New(rapid.String().Draw(t, "message"))))
			}
		case f.Kind() == reflect.Pointer:
			if rapid.Bool().Draw(t, name) {
				f.Set(reflect.New(f.Type().Elem()))
				fill(t, f.Elem())
			}
		case f.Kind() == reflect.String:
			f.SetString(rapid.String().Draw(t, name))
		case f.CanInt():
			f.SetInt(rapid.Int64Range(-1<<(f.Type().Bits()-1), 1<<(f.Type().Bits()-1)-1).Draw(t, name))
		case f.CanUint():
			f.SetUint(rapid.Uint64Range(0, 1<<f.Type().Bits()-1).Draw(t, name))
		default:
			t.Fatalf("no codec for field %s", name)
		}
	}
}

func drawEvent(t *rapid.T) trace.Event {
	var e trace.Event
	fill(t, reflect.ValueOf(&e).Elem())
	return e
}

// equal compares events as far as they are written down.
func equal(t require.TestingT, want, got trace.Event) {
	if want.Err != nil {
		require.EqualError(t, got.Err, want.Err.Error())
		want.Err, got.Err = nil, nil
	}
	require.Equal(t, want, got)
}

func TestCodecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(drawEvent), 0, 10).Draw(t, "events")
		var buf bytes.Buffer
		enc := trace.NewEncoder(&buf)
		for i := range events {
			require.NoError(t, enc.Encode(&events[i]))
		}
		require.Equal(t, len(events), bytes.Count(buf.Bytes(), []byte("\n")), "one line each")
		text := buf.String()
		dec := trace.NewDecoder(&buf)
		again := []byte{}
		for i := range events {
			e, err := dec.Decode()
			require.NoError(t, err)
			equal(t, events[i], e)
			again = append(trace.AppendJSON(again, &e), '\n')
		}
		_, err := dec.Decode()
		require.Equal(t, io.EOF, err)
		require.Equal(t, text, string(again), "equal events give equal bytes")
	})
}

func TestStringsAreMadeValid(t *testing.T) {
	e, err := trace.ParseJSON(trace.AppendJSON(nil, &trace.Event{Kind: trace.Mark, Name: "a\xffb\x00\"\\\u2028"}))
	require.NoError(t, err)
	require.Equal(t, "a\ufffdb\x00\"\\\u2028", e.Name)
}

func TestDecodeErrorsNameTheLine(t *testing.T) {
	for line, want := range map[string]string{
		`{`:                                     "unexpected EOF",
		`{"kind":"mark","colour":1}`:            `unknown field "colour"`,
		`{"kind":"quark"}`:                      `unknown kind "quark"`,
		`{}`:                                    `unknown kind ""`,
		`{"kind":"mark","result":"fine"}`:       `unknown result "fine"`,
		`{"kind":"mark","cause":"xyz"}`:         `causal id "xyz" is not hexadecimal`,
		`{"kind":"mark","node":-1}`:             "node",
		`{"kind":"mark"} {"kind":"mark"}`:       "more than one object",
		`{"kind":"mark","ledger":{"emited":1}}`: `unknown field "emited"`,
		`{"name":"` + strings.Repeat("x", 1<<20) + `"`: "token too long",
	} {
		d := trace.NewDecoder(strings.NewReader("{\"kind\":\"mark\"}\n\n" + line + "\n"))
		_, err := d.Decode()
		require.NoError(t, err)
		_, err = d.Decode()
		require.ErrorIs(t, err, trace.ErrDecode)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "line 3: ")
	}
}

// brokenWriter always fails.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestEncodeTellsOfTheWriter(t *testing.T) {
	require.ErrorIs(t, trace.NewEncoder(brokenWriter{}).Encode(&trace.Event{Kind: trace.Mark}), io.ErrClosedPipe)
}

func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(`{"kind":"record-settled","step":7,"time":5,"node":1,"cause":"ff","ledger":{"emitted":1,"appended":1}}`))
	f.Add([]byte(`{"kind":"node-started","limits":{"inbox":1024,"maxBackoff":5000000000},"err":""}`))
	f.Add([]byte(`{"kind":"mark","name":"\u2028\ud800"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := trace.ParseJSON(line)
		if err != nil {
			require.ErrorIs(t, err, trace.ErrDecode)
			return
		}
		back, err := trace.ParseJSON(trace.AppendJSON(nil, &e))
		require.NoError(t, err)
		equal(t, e, back)
	})
}

func TestFoldSeesEveryField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawEvent(t)
		b := a
		if a.Ledger != nil {
			l := *a.Ledger
			b.Ledger = &l
		}
		require.Equal(t, a.Fold(1), b.Fold(1))
		require.NotEqual(t, a.Fold(1), a.Fold(2))
		change(t, reflect.ValueOf(&b).Elem())
		require.NotEqual(t, a.Fold(1), b.Fold(1))
	})
}

// change changes one field that counts.
func change(t *rapid.T, v reflect.Value) {
	for {
		i := rapid.IntRange(0, v.NumField()-1).Draw(t, "field")
		f := v.Field(i)
		switch name := v.Type().Field(i).Name; {
		case name == "Data" || name == "Limits" || f.Kind() == reflect.Pointer && f.IsNil():
			continue
		case name == "Err":
			f.Set(reflect.ValueOf(errors.New("another")))
		case f.Kind() == reflect.Pointer:
			change(t, f.Elem())
		case f.Kind() == reflect.String:
			f.SetString(f.String() + "!")
		case f.CanInt():
			f.SetInt(f.Int() ^ 1)
		default:
			f.SetUint(f.Uint() ^ 1)
		}
		return
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := trace.Event{
		Kind: trace.RecordSettled, Step: 123456, Time: 5 * time.Second, Node: 3, Incarnation: 1, Cause: 0x123456789abcdef,
		Epoch: 2, Seq: 1000, Ledger: &trace.Ledger{Emitted: 1000, Appended: 990, Queued: 10},
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = trace.AppendJSON(buf[:0], &e)
	}
}
