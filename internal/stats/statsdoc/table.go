package statsdoc

import (
	"math"
	"strings"
)

// column is a column of the table that some analysis reads; others are ignored.
type column int

const (
	colPrompt column = iota
	colCondition
	colSample
	colLabel
	colReasoning
	colCheckpoint
	colStep
	colHuman
	colScore
	columnCount
)

var columnNames = [columnCount]string{
	"prompt_id", "condition", "sample", "label", "af_reasoning", "checkpoint", "step", "human_label", "grader_score",
}

type condition uint8

const (
	free condition = iota // training is cued
	paid                  // unmonitored
)

var conditionNames = [...]string{"free", "paid"}

type label uint8

const (
	unlabelled label = iota
	refused
	complied
	partial
	failed
)

var labelNames = [...]string{"", "refused", "complied", "partial", "error"}

// row is one planned sample.
type row struct {
	prompt    int32
	condition condition
	label     label
	human     label
	reasoning int8 // 1 present, 0 absent, -1 not known
	candidate bool // else baseline; only with a checkpoint column
	sample    int64
	step      float64
	score     float64 // NaN if absent
}

// table holds the rows and the prompts in order of first appearance.
type table struct {
	rows    []row
	prompts []string
	index   map[string]int32
	// last is the last sample of every cell that was left; open is the cell that
	// the last row belonged to.
	last  map[cell]int64
	open  cell
	mixed bool // samples of some cell did not come in rising order
	where func(row int) string
}

// cell is the place of a sample within which its index must be unique.
type cell struct {
	prompt    int32
	condition condition
	candidate bool
	step      float64
}

// newTable takes the name of a row in errors.
func newTable(where func(row int) string) *table {
	return &table{index: make(map[string]int32), last: make(map[cell]int64), where: where}
}

func (r row) cell() cell { return cell{r.prompt, r.condition, r.candidate, r.step} }

// prompt returns the number of a prompt, adding it when it is new.
func (t *table) prompt(id []byte) int32 {
	if i, ok := t.index[string(id)]; ok {
		return i
	}
	i := int32(len(t.prompts)) // MaxBytes bounds the number of prompts
	t.prompts = append(t.prompts, string(id))
	t.index[t.prompts[i]] = i
	return i
}

func (t *table) add(r row) {
	if n := len(t.rows); n > 0 {
		last, seen := t.rows[n-1].sample, true
		if c := r.cell(); c != t.open {
			t.last[t.open] = last
			last, seen = t.last[c]
			t.open = c
		}
		t.mixed = t.mixed || (seen && r.sample <= last)
	} else {
		t.open = r.cell()
	}
	t.rows = append(t.rows, r)
}

// finish refuses a sample that is listed twice: it would count as two.
func (t *table) finish() error {
	if !t.mixed {
		return nil
	}
	type place struct {
		cell
		sample int64
	}
	seen := make(map[place]int, len(t.rows))
	for i, r := range t.rows {
		p := place{r.cell(), r.sample}
		if first, twice := seen[p]; twice {
			return fieldError(t.where(i), "repeats the sample of %s", t.where(first))
		}
		seen[p] = i
	}
	return nil
}

func parseCondition(s string) (condition, bool) {
	for i, name := range conditionNames {
		if s == name {
			return condition(i), true
		}
	}
	return 0, false
}

func parseLabel(s string) (label, bool) {
	for i, name := range labelNames[1:] {
		if s == name {
			return label(i + 1), true
		}
	}
	return unlabelled, false
}

// set stores one value of a row after checking its type. The problem returned
// is empty if all is well.
func (t *table) set(r *row, c column, v scalar) (problem string) {
	var ok bool
	switch c {
	case colPrompt:
		if v.kind != text || len(v.text) == 0 {
			return "must be a non-empty string"
		}
		r.prompt = t.prompt(v.text)
	case colCondition:
		if r.condition, ok = parseCondition(string(v.text)); !ok {
			return "must be free or paid"
		}
	case colSample:
		if v.kind != number || v.number != math.Trunc(v.number) || math.Abs(v.number) > 1<<53 {
			return "must be a whole number"
		}
		r.sample = int64(v.number)
	case colLabel:
		if r.label, ok = parseLabel(string(v.text)); !ok {
			return "must be " + strings.Join(labelNames[1:], ", ")
		}
	case colReasoning:
		if v.kind != boolean && v.kind != null {
			return "must be true, false or null"
		}
		if r.reasoning = int8(v.number); v.kind == null {
			r.reasoning = -1
		}
	case colCheckpoint:
		if r.candidate = string(v.text) == "candidate"; !r.candidate && string(v.text) != "baseline" {
			return "must be candidate or baseline"
		}
	case colStep:
		if v.kind != number || math.Abs(v.number) > 1e15 {
			return "must be a number"
		}
		r.step = v.number
	case colHuman:
		if r.human, ok = parseLabel(string(v.text)); v.kind != null && (!ok || r.human == failed) {
			return "must be refused, complied, partial or null"
		}
	case colScore:
		if v.kind != number && v.kind != null {
			return "must be a number or null"
		}
		if r.score = v.number; v.kind == null {
			r.score = math.NaN()
		}
	}
	return ""
}
