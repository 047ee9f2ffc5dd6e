package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"meshsim/sim"
)

// isTerminal reports whether somebody watches w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// style colours words, or leaves them alone. Colour never says anything that
// the words do not say.
type style struct{ on bool }

// styleFor honours https://no-color.org.
func styleFor(w io.Writer) style {
	return style{on: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

const (
	bold   = "1"
	dim    = "2"
	red    = "1;31"
	green  = "32"
	yellow = "33"
)

func (s style) paint(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) verdict(v sim.Verdict, text string) string {
	switch v {
	case sim.Held:
		return s.paint(green, text)
	case sim.Violated:
		return s.paint(red, text)
	}
	return s.paint(yellow, text)
}
