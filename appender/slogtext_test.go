package appender

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// slogLine is a line, as the groups and attributes in front of it.
type slogLine struct {
	Message string
	With    []slogWith
	Attrs   []slog.Attr
}

// slogWith is a WithGroup, or a WithAttrs.
type slogWith struct {
	Group string
	Attrs []slog.Attr
}

func (l *slogLine) logTo(h slog.Handler) error {
	for _, w := range l.With {
		if w.Group != "" {
			h = h.WithGroup(w.Group)
		}
		h = h.WithAttrs(w.Attrs)
	}
	r := slog.NewRecord(time.Time{}, slog.LevelInfo, l.Message, 0)
	r.AddAttrs(l.Attrs...)
	return h.Handle(context.Background(), r)
}

type marshaler string

func (m marshaler) MarshalText() ([]byte, error) {
	if m == "" {
		return nil, errMoody
	}
	return []byte(m), nil
}

type valuer string

func (v valuer) LogValue() slog.Value { return slog.StringValue("value of " + string(v)) }

var slogStrings = rapid.OneOf(
	rapid.SampledFrom([]string{"", " ", "a", "a b", "a=b", `"`, `\`, "a\nb", "é", "\u00a0", "\xff", "a.b", " k=v", `"q"`}),
	rapid.StringOfN(rapid.RuneFrom([]rune("ab =\"\\.\n\x00é\u2028")), 0, 6, -1),
)

func slogValues(deep int) *rapid.Generator[slog.Value] {
	return rapid.Custom(func(t *rapid.T) slog.Value {
		s := slogStrings.Draw(t, "s")
		kinds := 10
		if deep > 0 {
			kinds++
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return slog.Int64Value(rapid.Int64().Draw(t, "int"))
		case 1:
			return slog.BoolValue(rapid.Bool().Draw(t, "bool"))
		case 2:
			return slog.Float64Value(rapid.Float64().Draw(t, "float"))
		case 3:
			return slog.DurationValue(time.Duration(rapid.Int64().Draw(t, "duration")))
		case 4:
			return slog.TimeValue(time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "time")).UTC())
		case 5:
			return slog.AnyValue(marshaler(s))
		case 6:
			return slog.AnyValue(valuer(s))
		case 7:
			return slog.AnyValue(errors.New(s))
		case 8:
			return slog.AnyValue(nil)
		case 10:
			// Never one that comes to nothing: TextHandler does not close such a
			// group, and gives what follows its name.
			return slog.GroupValue(append(slogAttrs(deep-1).Draw(t, "group"), slog.Int("x", 1))...)
		}
		return slog.StringValue(s)
	})
}

func slogAttrs(deep int) *rapid.Generator[[]slog.Attr] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) slog.Attr {
		return slog.Attr{Key: slogStrings.Draw(t, "key"), Value: slogValues(deep).Draw(t, "value")}
	}), 0, 4)
}

var slogLines = rapid.Custom(func(t *rapid.T) slogLine {
	return slogLine{
		Message: slogStrings.Draw(t, "message"),
		With: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) slogWith {
			return slogWith{
				Group: rapid.SampledFrom([]string{"", "g", "h i"}).Draw(t, "group"),
				Attrs: slogAttrs(1).Draw(t, "with"),
			}
		}), 0, 3).Draw(t, "with"),
		Attrs: slogAttrs(2).Draw(t, "attrs"),
	}
})

// TestAttributesAreWrittenAsTextHandlerDoes: beside it, byte for byte.
func TestAttributesAreWrittenAsTextHandlerDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := slogLines.Draw(t, "line")
		l.Message = "m"
		var text strings.Builder
		require.NoError(t, l.logTo(slog.NewTextHandler(&text, nil)))
		sink := NewBuffering(1)
		require.NoError(t, l.logTo(NewSlogHandler(sink, Env{}, nil)))
		require.Equal(t, strings.TrimSuffix(text.String(), "\n"), "level=INFO msg="+sink.Captured()[0].Message)
	})
}

// TestALineIsReadBack: whatever its message, keys and values are.
func TestALineIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message := slogStrings.Draw(t, "message")
		attrs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) slog.Attr {
			return slog.String(slogStrings.Draw(t, "key"), slogStrings.Draw(t, "value"))
		}), 0, 4).Draw(t, "attrs")
		sink := NewBuffering(1)
		require.NoError(t, (&slogLine{Message: message, Attrs: attrs}).logTo(NewSlogHandler(sink, Env{}, nil)))
		text := sink.Captured()[0].Message
		require.NotContains(t, text, "\n")
		m, got, err := ParseSlog(text)
		require.NoError(t, err, "%q", text)
		require.Equal(t, message, m)
		require.Len(t, got, len(attrs))
		for i, a := range attrs {
			require.Equal(t, a.String(), got[i].String())
		}
	})
}

func FuzzParseSlog(f *testing.F) {
	for _, s := range []string{"", "m", "m k=v", `"a=b" k="v w"`, ` "k k"=v`, "k=v", "m k=", `m k=v"`, "m  k=v", `"`, "m k==v", `"m"x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		message, attrs, err := ParseSlog(s)
		if err != nil {
			require.ErrorIs(t, err, ErrSlogText)
			return
		}
		var b strings.Builder
		writeMessage(&b, message)
		for _, a := range attrs {
			writeAttr(&b, "", a)
		}
		again, attrs2, err := ParseSlog(b.String())
		require.NoError(t, err)
		require.Equal(t, message, again)
		require.Equal(t, attrs, attrs2)
	})
}

func TestAValueThatPanicsLosesNoLine(t *testing.T) {
	sink := NewBuffering(1)
	slog.New(NewSlogHandler(sink, Env{}, nil)).Info("m", "k", (*panicky)(nil))
	require.Equal(t, `m k="!PANIC: value method meshsim/appender.panicky.MarshalText called using nil *panicky pointer"`, sink.Captured()[0].Message)
}

type panicky struct{ x int }

func (p panicky) MarshalText() ([]byte, error) { return []byte{byte(p.x)}, nil }
