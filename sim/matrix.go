package sim

import (
	"bytes"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SameRegionRTT is the round trip between two nodes of one region: about what
// IBM Cloud publishes between zones of one region (see the embedded file).
const SameRegionRTT = 2 * time.Millisecond

// matrixRegionsMax bounds a matrix: 1,000 regions are 8 MB.
const matrixRegionsMax = 1000

// matrixBytesMax bounds a matrix file.
const matrixBytesMax = 64 << 20

// ErrMatrix is wrapped by every error about a matrix.
var ErrMatrix = errors.New("sim: not a matrix")

//go:embed data/rtt_ibm_cloud_2024-08.csv
var matrixFiles embed.FS

// builtinMatrices are the matrices that ship with the program, by the name
// that Network.Matrix knows. Each file names its source in its first lines.
var builtinMatrices = []builtinMatrix{
	builtin("ibm-cloud", "data/rtt_ibm_cloud_2024-08.csv"),
}

type builtinMatrix struct {
	name string
	load func() (*Matrix, error) // parses the file once
}

func builtin(name, file string) builtinMatrix {
	return builtinMatrix{name, sync.OnceValues(func() (*Matrix, error) {
		data, err := matrixFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		return ParseMatrix(file, data)
	})}
}

// BuiltinMatrices are the names of the matrices that ship with the program.
func BuiltinMatrices() []string {
	names := make([]string, len(builtinMatrices))
	for i, b := range builtinMatrices {
		names[i] = b.name
	}
	return names
}

// Matrix holds the round-trip times between regions. It need not be symmetric:
// published ones are averages measured from each end. It never changes, and
// any goroutine may read it.
type Matrix struct {
	regions []string
	rtt     []time.Duration // row by row
}

// Regions are the regions' names, in order. The caller must not change them.
func (m *Matrix) Regions() []string { return m.regions }

// RTT is the round trip from region i to region j, counted from 0.
func (m *Matrix) RTT(i, j int) time.Duration { return m.rtt[i*len(m.regions)+j] }

// Region is the region, counted from 0, in which a node lives (nodes count
// from 1): the regions take the nodes in turn.
func (m *Matrix) Region(node int) int { return (node - 1) % len(m.regions) }

// NodeRTT is the round trip between two nodes, which count from 1.
func (m *Matrix) NodeRTT(from, to int) time.Duration {
	return m.RTT(m.Region(from), m.Region(to))
}

// Select is the matrix of these regions alone, in this order. Its error is a
// [*FieldError] with the path "[i]".
func (m *Matrix) Select(regions []string) (*Matrix, error) {
	index := make([]int, len(regions))
	for i, r := range regions {
		index[i] = slices.Index(m.regions, r)
		path := fmt.Sprintf("[%d]", i)
		if index[i] < 0 {
			return nil, &FieldError{Path: path, Found: fmt.Sprintf("unknown region %q", r), Expected: oneOf(r, m.regions)}
		}
		if slices.Contains(regions[:i], r) {
			return nil, &FieldError{Path: path, Found: fmt.Sprintf("region %q a second time", r), Expected: "each region once"}
		}
	}
	s := &Matrix{regions: slices.Clone(regions), rtt: make([]time.Duration, 0, len(regions)*len(regions))}
	for _, i := range index {
		for _, j := range index {
			s.rtt = append(s.rtt, m.RTT(i, j))
		}
	}
	return s, nil
}

// LoadMatrix loads a built-in matrix by its name, or else a file. A file that
// cannot be read gives its cause; one that is no matrix an [*InputError].
func LoadMatrix(name string) (*Matrix, error) {
	for _, b := range builtinMatrices {
		if b.name == name {
			return b.load()
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, matrixBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(data) > matrixBytesMax {
		return nil, &InputError{File: name, Line: 1, Column: 1, Err: ErrMatrix,
			Found: "more than 64 MiB", Expected: "a matrix of at most 1000 regions"}
	}
	return ParseMatrix(name, data)
}

// ParseMatrix reads a matrix in CSV: lines that begin with '#' are comments; a
// header "from,REGION,..."; then a row per region, in the order of the header,
// of its name and the round-trip times in milliseconds. The cell of a region
// to itself is empty or a time within the region; empty means
// [SameRegionRTT]. name is for the errors, each an [*InputError] that wraps
// [ErrMatrix]. Cost and memory grow with the square of the regions.
func ParseMatrix(name string, data []byte) (*Matrix, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment = '#'
	r.FieldsPerRecord = -1 // counted below, with a better message
	p := matrixParser{name: name, csv: r}
	m, err := p.parse()
	if err != nil {
		return nil, err
	}
	return m, nil
}

type matrixParser struct {
	name string
	csv  *csv.Reader
	line int // of the row last read
	m    Matrix
}

func (p *matrixParser) parse() (*Matrix, error) {
	head, err := p.record()
	switch {
	case errors.Is(err, io.EOF):
		return nil, p.fail(1, 1, "an empty file", `a header "from,REGION,..." and a row per region`)
	case err != nil:
		return nil, err
	}
	if err := p.header(head); err != nil {
		return nil, err
	}
	for row := range p.m.regions {
		cells, err := p.record()
		if errors.Is(err, io.EOF) {
			return nil, p.fail(p.line+1, 1, "the end after "+count(row, "row"),
				fmt.Sprintf("%s, one per region of the header: a square matrix", count(len(p.m.regions), "row")))
		} else if err != nil {
			return nil, err
		}
		if err := p.row(row, cells); err != nil {
			return nil, err
		}
	}
	if cells, err := p.record(); err == nil {
		line, column := p.csv.FieldPos(0)
		return nil, p.fail(line, column, fmt.Sprintf("a further row %q", cells[0]),
			fmt.Sprintf("%s, one per region of the header: a square matrix", count(len(p.m.regions), "row")))
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &p.m, nil
}

// record reads a row; its error is io.EOF or an *InputError.
func (p *matrixParser) record() ([]string, error) {
	cells, err := p.csv.Read()
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return nil, p.fail(bad.Line, max(1, bad.Column), bad.Err.Error(), "a row of comma-separated values")
	}
	if err == nil {
		p.line, _ = p.csv.FieldPos(0)
	}
	return cells, err
}

// count is "1 row" or "3 rows".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (p *matrixParser) header(cells []string) error {
	if strings.TrimPrefix(cells[0], "\ufeff") != "from" {
		return p.failAt(0, strconv.Quote(clip(cells[0])), `a header that begins with "from"`)
	}
	regions := cells[1:]
	if len(regions) == 0 {
		return p.failAt(0, "a header without regions", `"from,REGION,..."`)
	}
	if len(regions) > matrixRegionsMax {
		return p.failAt(matrixRegionsMax+1, fmt.Sprintf("%d regions", len(regions)), "at most 1000")
	}
	seen := make(map[string]bool, len(regions))
	for i, r := range regions {
		switch {
		case r == "" || strings.TrimSpace(r) != r:
			return p.failAt(i+1, strconv.Quote(clip(r)), "a region's name without spaces around it")
		case r == allNodes || isNodeName(r):
			return p.failAt(i+1, strconv.Quote(r), `a region's name that cannot be taken for a node's ("n1", "all")`)
		case seen[r]:
			return p.failAt(i+1, fmt.Sprintf("region %q a second time", clip(r)), "each region once")
		}
		seen[r] = true
	}
	p.m.regions = slices.Clone(regions)
	p.m.rtt = make([]time.Duration, 0, len(regions)*len(regions))
	return nil
}

func (p *matrixParser) row(row int, cells []string) error {
	regions := p.m.regions
	if cells[0] != regions[row] {
		return p.failAt(0, strconv.Quote(clip(cells[0])),
			fmt.Sprintf("%q: the rows in the order of the header", regions[row]))
	}
	if got := len(cells) - 1; got != len(regions) {
		return p.failAt(min(got, len(regions)), count(got, "cell"),
			fmt.Sprintf("%d, one per region of the header: a square matrix", len(regions)))
	}
	for col, cell := range cells[1:] {
		cell = strings.TrimSpace(cell)
		if cell == "" && col == row {
			p.m.rtt = append(p.m.rtt, SameRegionRTT)
			continue
		}
		ms, err := strconv.ParseFloat(cell, 64)
		if err != nil || !(ms >= 0) || ms > float64(DistMax/time.Millisecond) {
			found := strconv.Quote(clip(cell))
			if cell == "" {
				found = "an empty cell"
			}
			return p.failAt(col+1, found, fmt.Sprintf("the round trip from %s to %s in milliseconds, a number from 0 to %d",
				regions[row], regions[col], DistMax/time.Millisecond))
		}
		p.m.rtt = append(p.m.rtt, time.Duration(math.Round(ms*float64(time.Millisecond))))
	}
	return nil
}

// failAt fails at a field of the row last read.
func (p *matrixParser) failAt(field int, found, expected string) error {
	line, column := p.csv.FieldPos(field)
	return p.fail(line, column, found, expected)
}

func (p *matrixParser) fail(line, column int, found, expected string) error {
	return &InputError{File: p.name, Line: line, Column: column, Found: found, Expected: expected, Err: ErrMatrix}
}
