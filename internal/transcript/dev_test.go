package transcript

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sharedFile opens a file of the development data that lies beside the
// repository, or skips the test.
func sharedFile(t *testing.T, elem ...string) *os.File {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, dir, parent, "no go.mod above the test")
		dir = parent
	}
	path := filepath.Join(append([]string{dir, "..", "shared", "data"}, elem...)...)
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		t.Skipf("SKIPPED: development data %s is not beside the repository; nothing was checked", filepath.Join(elem...))
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

type reading struct {
	Observation string    `json:"observation"`
	Response    *string   `json:"response"`
	Contains    *[]string `json:"scratchpad_contains"`
}

type devCase struct {
	ID           string       `json:"id"`
	Raw          string       `json:"raw"`
	Native       *string      `json:"native_reasoning"`
	NativeKind   NativeKind   `json:"native_kind"`
	FinishReason FinishReason `json:"finish_reason"`
	Requested    *bool        `json:"scratchpad_requested"`
	Prompt       string       `json:"prompt"`
	Observation  string       `json:"expected_observation"`
	Contains     []string     `json:"expected_scratchpad_contains"`
	Response     string       `json:"expected_response"`
	Accept       []reading    `json:"accept"`
	Why          string       `json:"why"`
}

func (c devCase) reply() Reply {
	r := Reply{
		Raw: c.Raw, NativeKind: c.NativeKind, FinishReason: c.FinishReason, Prompt: c.Prompt,
		ScratchpadRequested: c.Requested == nil || *c.Requested,
	}
	if c.Native != nil {
		r.NativeReasoning = *c.Native
	}
	return r
}

func (c devCase) matches(p Parsed, want reading) bool {
	response, contains := c.Response, c.Contains
	if want.Response != nil {
		response = *want.Response
	}
	if want.Contains != nil {
		contains = *want.Contains
	}
	ok := string(p.Observation) == want.Observation && p.Answer == strings.TrimSpace(response)
	for _, s := range contains {
		ok = ok && strings.Contains(p.Reasoning, s)
	}
	return ok
}

func TestParseDevelopmentCases(t *testing.T) {
	lines := bufio.NewScanner(sharedFile(t, "parsing", "parsing_dev.jsonl"))
	lines.Buffer(nil, 64<<20)
	primary, total := 0, 0
	for lines.Scan() {
		var c devCase
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		t.Run(c.ID, func(t *testing.T) {
			total++
			p := Parse(c.reply())
			requireTiles(t, c.Raw, p)
			if c.matches(p, reading{Observation: c.Observation}) {
				primary++
				return
			}
			for _, other := range c.Accept {
				if c.matches(p, other) {
					t.Logf("second reading: %s: %s", c.Why, p.Observation)
					return
				}
			}
			t.Errorf("%s: got %s, whole %t, answer of %d bytes, reasoning of %d bytes",
				c.Why, p.Observation, p.Whole, len(p.Answer), len(p.Reasoning))
		})
	}
	require.NoError(t, lines.Err())
	require.NotZero(t, total)
	t.Logf("%d of %d cases read as expected, the others as accepted", primary, total)
}

// requireTiles checks that the parts cover the raw text without gap or overlap.
func requireTiles(t require.TestingT, raw string, p Parsed) {
	pos := 0
	for _, part := range p.Parts {
		require.Equal(t, pos, part.Start)
		require.Greater(t, part.End, part.Start)
		pos = part.End
	}
	require.Equal(t, len(raw), pos)
}
