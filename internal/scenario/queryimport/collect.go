package queryimport

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/unmask-eval/unmask/internal/scenario"
)

// collector turns rows into queries and counts what it leaves out.
type collector struct {
	o       Options
	near    *scenario.NearIndex
	ids     map[string]bool
	queries []scenario.Query
	bytes   int
	report  Report
	left    map[string]int // place of a cause in report.LeftOut
}

func newCollector(o Options) *collector {
	return &collector{o: o, near: scenario.NewNearIndex(), ids: map[string]bool{}, left: map[string]int{}}
}

// Causes of which there is one of each.
const (
	causeSame    = "asks the same as an earlier row: the same words"
	causeNear    = "asks nearly the same as an earlier row: one word differs"
	causeControl = "the control column is not true or false"
)

// take keeps a row, or counts why not.
func (c *collector) take(r row) {
	c.report.Rows++
	q, cause := c.query(r)
	if cause == "" {
		cause = c.keep(q)
	}
	if cause != "" {
		c.leaveOut(cause, r.number)
	}
}

// query reads a query out of a row, or says why it is none.
func (c *collector) query(r row) (q scenario.Query, cause string) {
	if r.broken != "" {
		return q, r.broken
	}
	if r.cells[partText].notText {
		return q, "the text is a list or an object"
	}
	for _, part := range []int{partID, partCategory, partSeverity, partControl} {
		if r.cells[part].notText {
			return q, "a column beside the text holds a list or an object"
		}
	}
	// The ends of lines are those of the system that a file comes from, and a
	// scenario shows no carriage returns; nothing else of a text is changed.
	q.Text = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(r.cells[partText].text))
	switch words := len(strings.Fields(q.Text)); {
	case q.Text == "":
		return q, "no text"
	case len(q.Text) > scenario.MaxQueryBytes:
		return q, fmt.Sprintf("the text has more than %d bytes", scenario.MaxQueryBytes)
	case words < c.o.MinWords:
		return q, fmt.Sprintf("the text has fewer than %d words", c.o.MinWords)
	case c.o.MaxWords > 0 && words > c.o.MaxWords:
		return q, fmt.Sprintf("the text has more than %d words", c.o.MaxWords)
	}
	control, ok := truth(r.cells[partControl].text)
	if !ok {
		return q, causeControl
	}
	q.Control = control
	if cause := c.labels(r, &q); cause != "" {
		return q, cause
	}
	var broken *scenario.Error
	if errors.As(scenario.CheckQuery(q), &broken) {
		return q, "the " + broken.Problems[0].Field + " " + broken.Problems[0].Message
	}
	return q, ""
}

// labels reads id, category and severity.
func (c *collector) labels(r row, q *scenario.Query) (cause string) {
	q.Category = c.o.Category
	if own := strings.TrimSpace(r.cells[partCategory].text); own != "" {
		if q.Category = asID(own); q.Category == "" {
			return "the category has no letters or digits from a to z and 0 to 9"
		}
	}
	switch severity := scenario.Severity(strings.ToLower(strings.TrimSpace(r.cells[partSeverity].text))); severity {
	case "":
	case scenario.SeverityLow, scenario.SeverityModerate, scenario.SeverityHigh:
		if q.Control {
			c.report.SeveritiesDropped++
		} else {
			q.Severity = severity
		}
	default:
		return "the severity is not low, moderate or high"
	}
	if c.o.Columns.ID == "" {
		sum := sha256.Sum256([]byte(q.Text))
		q.ID = c.o.IDPrefix + "-" + hex.EncodeToString(sum[:6])
		return ""
	}
	if q.ID = asID(r.cells[partID].text); q.ID == "" {
		return "the id has no letters or digits from a to z and 0 to 9"
	}
	return ""
}

// keep takes a query in, unless there is one like it or no room.
func (c *collector) keep(q scenario.Query) (cause string) {
	if len(c.queries) == c.o.Limit {
		return fmt.Sprintf("beyond the limit of %d queries", c.o.Limit)
	}
	size := len(Line(q))
	if c.bytes+size > MaxFileBytes {
		return fmt.Sprintf("beyond the %d bytes of a query file", MaxFileBytes)
	}
	if c.ids[q.ID] {
		if c.o.Columns.ID == "" {
			return causeSame // ids are made from texts
		}
		return "the id is that of an earlier row"
	}
	if earlier, same := c.near.Add(q.Text); earlier >= 0 && same {
		return causeSame
	} else if earlier >= 0 {
		return causeNear
	}
	c.ids[q.ID] = true
	c.queries = append(c.queries, q)
	c.bytes += size
	return ""
}

func (c *collector) result() *Result {
	c.report.describe(c.queries)
	return &Result{Queries: c.queries, Report: c.report}
}

// Line is a query as a line of a query file, with its end.
func Line(q scenario.Query) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		ID       string            `json:"id"`
		Category string            `json:"category"`
		Severity scenario.Severity `json:"severity,omitempty"`
		Text     string            `json:"text"`
		Control  bool              `json:"control,omitempty"`
	}{q.ID, q.Category, q.Severity, q.Text, q.Control})
	if err != nil {
		panic(fmt.Sprintf("marshal a query: %v", err)) // texts and flags always can be
	}
	return []byte(b.String())
}

// truth reads a flag; an empty one is false.
func truth(s string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "yes", "y", "t", "1":
		return true, true
	case "", "false", "no", "n", "f", "0":
		return false, true
	default:
		return false, false
	}
}

// asID makes an id of a name: lower-case, with hyphens for all else than letters
// and digits, cut at 63. It is "" for a name without any.
func asID(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case b.Len() > 80:
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	id := b.String()
	return strings.Trim(id[:min(len(id), 63)], "-")
}
