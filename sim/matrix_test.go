package sim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBuiltinMatrixIsThePublishedOne(t *testing.T) {
	data, err := matrixFiles.ReadFile("data/rtt_ibm_cloud_2024-08.csv")
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(data), "\n")
	require.Contains(t, first, "published by IBM Cloud", "the file names its source")

	for _, name := range BuiltinMatrices() {
		m, err := LoadMatrix(name)
		require.NoError(t, err)
		require.Len(t, m.Regions(), 10)
	}
	m, err := LoadMatrix("ibm-cloud")
	require.NoError(t, err)
	require.Equal(t, 119*time.Millisecond, m.NodeRTT(1, 6), "dallas to madrid")
	require.Equal(t, 122*time.Millisecond, m.NodeRTT(6, 1), "madrid to dallas: measured from the other end")
	require.Equal(t, SameRegionRTT, m.NodeRTT(3, 13), "two nodes of one region")
	require.Equal(t, "sao-paulo", m.Regions()[m.Region(10)])
	require.Equal(t, "dallas", m.Regions()[m.Region(11)], "the regions take the nodes in turn")
}

func TestMatrixReadsBackAndSelects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "regions")
		var b strings.Builder
		b.WriteString("# a comment\nfrom")
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("region-%d", i)
			b.WriteString("," + names[i])
		}
		micros := make([][]int, n)
		for i := range n {
			micros[i] = make([]int, n)
			b.WriteString("\n" + names[i])
			for j := range n {
				micros[i][j] = rapid.IntRange(0, 1e9).Draw(t, "us")
				if i == j && rapid.Bool().Draw(t, "empty") {
					micros[i][j] = int(SameRegionRTT / time.Microsecond)
					b.WriteString(",")
					continue
				}
				fmt.Fprintf(&b, ",%d.%03d", micros[i][j]/1000, micros[i][j]%1000)
			}
		}
		m, err := ParseMatrix("m.csv", []byte(b.String()))
		require.NoError(t, err, b.String())
		require.Equal(t, names, m.Regions())
		for i := range n {
			for j := range n {
				require.Equal(t, time.Duration(micros[i][j])*time.Microsecond, m.RTT(i, j))
			}
		}

		order := rapid.Permutation(names).Draw(t, "order")[:rapid.IntRange(1, n).Draw(t, "selected")]
		s, err := m.Select(order)
		require.NoError(t, err)
		for i, from := range order {
			for j, to := range order {
				require.Equal(t, m.RTT(indexOf(names, from), indexOf(names, to)), s.RTT(i, j))
			}
		}
	})
}

func indexOf(names []string, name string) int {
	for i := range names {
		if names[i] == name {
			return i
		}
	}
	panic("no " + name)
}

func TestWrongMatrixNamesLineColumnAndExpectation(t *testing.T) {
	for _, c := range []struct{ name, csv, want string }{
		{"empty", "", `m.csv:1:1: found an empty file, expected a header "from,REGION,..." and a row per region`},
		{"comments alone", "# a\n", `m.csv:1:1: found an empty file, expected a header "from,REGION,..." and a row per region`},
		{"no header", "dallas,,3\n", `m.csv:1:1: found "dallas", expected a header that begins with "from"`},
		{"no regions", "from\n", `m.csv:1:1: found a header without regions, expected "from,REGION,..."`},
		{"empty region", "from,a,\n", `m.csv:1:8: found "", expected a region's name without spaces around it`},
		{"region twice", "# c\nfrom,a,b,a\n", `m.csv:2:10: found region "a" a second time, expected each region once`},
		{"region like a node", "from,a,n3\n", `m.csv:1:8: found "n3", expected a region's name that cannot be taken for a node's ("n1", "all")`},
		{"unknown region", "from,a,b\na,,1\nc,1,\n", `m.csv:3:1: found "c", expected "b": the rows in the order of the header`},
		{"short row", "from,a,b\na,,1\nb,2\n", `m.csv:3:3: found 1 cell, expected 2, one per region of the header: a square matrix`},
		{"long row", "from,a,b\na,,1,9\n", `m.csv:2:4: found 3 cells, expected 2, one per region of the header: a square matrix`},
		{"rows missing", "from,a,b\na,,1\n", `m.csv:3:1: found the end after 1 row, expected 2 rows, one per region of the header: a square matrix`},
		{"rows too many", "from,a\na,\nb,\n", `m.csv:3:1: found a further row "b", expected 1 row, one per region of the header: a square matrix`},
		{"no number", "from,a,b\na,,x\nb,1,\n", `m.csv:2:4: found "x", expected the round trip from a to b in milliseconds, a number from 0 to 86400000`},
		{"negative", "from,a,b\na,,1\nb,-1,\n", `m.csv:3:3: found "-1", expected the round trip from b to a in milliseconds, a number from 0 to 86400000`},
		{"infinite", "from,a,b\na,,inf\nb,1,\n", `m.csv:2:4: found "inf", expected the round trip from a to b in milliseconds, a number from 0 to 86400000`},
		{"empty cell", "from,a,b\na,,\nb,1,\n", `m.csv:2:4: found an empty cell, expected the round trip from a to b in milliseconds, a number from 0 to 86400000`},
		{"quotes", "from,a,b\na,,\"1\n", `m.csv:2:7: found extraneous or missing " in quoted-field, expected a row of comma-separated values`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseMatrix("m.csv", []byte(c.csv))
			require.EqualError(t, err, c.want)
			require.ErrorIs(t, err, ErrMatrix)
		})
	}
}

func TestNodeReferencesNameNodesRegionsOrAll(t *testing.T) {
	m, err := ParseMatrix("m.csv", []byte("from,east,west,north\neast,,1,1\nwest,1,,1\nnorth,1,1,\n"))
	require.NoError(t, err)
	for _, c := range []struct {
		refs  []string
		nodes int
		want  []int
	}{
		{[]string{"all"}, 3, []int{1, 2, 3}},
		{[]string{"n3", "n1", "n3"}, 3, []int{1, 3}},
		{[]string{"west"}, 6, []int{2, 5}},
		{[]string{"north", "n1", "all"}, 4, []int{1, 2, 3, 4}},
		{nil, 4, nil},
	} {
		got, err := NodesOf(c.refs, c.nodes, m)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%v", c.refs)
	}
	for ref, want := range map[string]string{
		"n4":    `sim: [1]: found unknown node "n4", expected a node from n1 to n2, a region with nodes, or "all"`,
		"n0":    `sim: [1]: found unknown node "n0", expected a node from n1 to n2, a region with nodes, or "all"`,
		"n01":   `sim: [1]: found unknown node "n01", expected a node from n1 to n2, a region with nodes, or "all"`,
		"north": `sim: [1]: found unknown node "north", expected a node from n1 to n2, a region with nodes, or "all"`,
		"wets":  `sim: [1]: found unknown node "wets", expected "west" (did you mean that?)`,
		"":      `sim: [1]: found unknown node "", expected a node from n1 to n2, a region with nodes, or "all"`,
	} {
		_, err := NodesOf([]string{"n1", ref}, 2, m)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, ErrConfig)
	}
}

func FuzzParseMatrix(f *testing.F) {
	f.Add([]byte("from,a,b\na,,1\nb,2,\n"))
	f.Add([]byte("# c\nfrom,\"a\"\na,0.5"))
	f.Add([]byte("from,a,a\n"))
	f.Add([]byte("\xef\xbb\xbffrom,a\na,\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseMatrix("m.csv", data)
		if err == nil {
			n := len(m.Regions())
			require.Len(t, m.rtt, n*n, "a matrix is square")
			return
		}
		var bad *InputError
		require.True(t, errors.As(err, &bad))
		require.Positive(t, bad.Line)
		require.Positive(t, bad.Column)
		require.NotContains(t, err.Error(), "\n", "an error is one line")
	})
}

func ExampleLoadMatrix() {
	m, err := LoadMatrix("ibm-cloud")
	if err != nil {
		fmt.Println(err)
		return
	}
	world, err := m.Select([]string{"frankfurt", "tokyo"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("n1 to n2:", world.NodeRTT(1, 2))
	fmt.Println("n1 to n3:", world.NodeRTT(1, 3), "(both in frankfurt)")
	// Output:
	// n1 to n2: 233ms
	// n1 to n3: 2ms (both in frankfurt)
}
