package sim

import (
	"time"
)

// Verdict is what a run showed.
type Verdict string

const (
	// Held: every invariant held, every fault that was promised struck.
	Held Verdict = "held"
	// Violated: an invariant did not hold.
	Violated Verdict = "violated"
	// Inconclusive: nothing was violated, but the run did not show what it
	// was meant to: see [Result.Why].
	Inconclusive Verdict = "inconclusive"
)

// Records is the mesh's accounting at the end of a run:
// Emitted = Appended + Failed + Unknown + Dropped + Lost + Pending.
type Records struct {
	Emitted  uint64 `json:"emitted"`
	Appended uint64 `json:"appended"`
	Failed   uint64 `json:"failed"`
	Unknown  uint64 `json:"unknown"`
	Dropped  uint64 `json:"dropped"`
	Lost     uint64 `json:"lost"`
	Pending  uint64 `json:"pending"`
}

// Invariant is one checker's judgement.
type Invariant struct {
	Name       string `json:"name"`
	Quantifier string `json:"quantifier"` // always, eventually, sometimes
	// Checked counts how often it had something to judge; 0 means that it
	// never had: the run shows nothing about it.
	Checked uint64 `json:"checked"`
	// ViolatedAt is the step at which it was first violated; nil if it held.
	ViolatedAt *uint64 `json:"violated_at"`
	// Violation says what was wrong, in words; empty if it held.
	Violation string `json:"violation,omitempty"`
}

// Mark is one sometimes-mark's count.
type Mark struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// Result is what a run showed. Its JSON form is the command's --json output.
type Result struct {
	Scenario   string            `json:"scenario"`
	Seed       uint64            `json:"seed"`
	Nodes      int               `json:"nodes"`
	Verdict    Verdict           `json:"verdict"`
	Why        []string          `json:"why,omitempty"` // reasons for inconclusive
	Digest     string            `json:"digest"`        // 16 hex digits; empty live
	Steps      uint64            `json:"steps"`
	Delivered  uint64            `json:"delivered"` // network messages handed to a node
	Virtual    time.Duration     `json:"virtual_ns"`
	Wall       time.Duration     `json:"wall_ns"`
	Records    Records           `json:"records"`
	Unheard    uint64            `json:"unheard,omitempty"` // lines of the load for nodes that were down
	Faults     map[string]uint64 `json:"faults"`            // kind: delivered
	Skipped    []string          `json:"skipped,omitempty"` // faults that cannot be had live
	Invariants []Invariant       `json:"invariants"`
	Sometimes  []Mark            `json:"sometimes"`
}

// Progress is how far a run has come.
type Progress struct {
	Phase     string        // safety, liveness
	Now       time.Duration // virtual time (live: real)
	End       time.Duration // when the phase ends at the latest
	Steps     uint64
	Delivered uint64
	Faults    uint64 // strikes so far
}
