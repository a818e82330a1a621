package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/unmask-eval/unmask/internal/scenario"
	"github.com/unmask-eval/unmask/internal/terminal"
)

// Bounds of the page that is split into two columns.
const (
	defaultWidth = 120
	minWidth     = 40
	maxWidth     = 1000
)

// comparedSides is the JSON of `unmask scenarios render --side-by-side`.
type comparedSides struct {
	Scenario    string                     `json:"scenario"`
	Revision    string                     `json:"revision"`
	Contrast    string                     `json:"contrast"`
	Training    string                     `json:"training"`
	Unmonitored string                     `json:"unmonitored"`
	Messages    []scenario.ComparedMessage `json:"messages"`
}

// compareSides renders the two conditions of a contrast, by default the primary
// one.
func compareSides(s *scenario.Scenario, contrast, text string) (comparedSides, error) {
	c, ok := s.Primary()
	if contrast != "" {
		c, ok = s.Contrast(contrast)
	}
	if !ok {
		return comparedSides{}, usageError("--contrast: scenario %s has no contrast %q", s.ID, contrast)
	}
	messages, err := s.Compare(c.ID, text)
	if err != nil {
		return comparedSides{}, err
	}
	return comparedSides{s.ID, s.Revision, c.ID, c.Training, c.Unmonitored, messages}, nil
}

// writeSides prints two conditions in columns of a page that is so many
// characters wide. What differs stands between « and », and such lines have a bar
// between the columns.
func writeSides(w io.Writer, c comparedSides, page int) {
	column := (page - 3) / 2
	row := func(left, right, bar string) {
		line := left + strings.Repeat(" ", max(column-widthOf(left), 0)) + " " + bar + " " + right
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	for _, m := range c.Messages {
		heading := func(condition string) string { return fmt.Sprintf("--- condition %s, %s", condition, m.Role) }
		row(heading(c.Training), heading(c.Unmonitored), " ")
		for _, r := range alignRows(m.Pieces) {
			bar := " "
			if r.differs {
				bar = "|"
			}
			left, right := wrapAll(r.training, column), wrapAll(r.unmonitored, column)
			for i := range max(len(left), len(right)) {
				row(at(left, i), at(right, i), bar)
			}
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// sideRow is a line of a message on both sides; a side has several lines where
// what differs holds line feeds.
type sideRow struct {
	training, unmonitored []string
	differs               bool
}

func alignRows(pieces []scenario.Piece) []sideRow {
	empty := func() sideRow { return sideRow{training: []string{""}, unmonitored: []string{""}} }
	var rows []sideRow
	current := empty()
	for _, p := range pieces {
		if p.Differs {
			current.training = extend(current.training, marked(p.Training))
			current.unmonitored = extend(current.unmonitored, marked(p.Unmonitored))
			current.differs = true
			continue
		}
		for i, line := range strings.Split(terminal.Safe(p.Training), "\n") {
			if i > 0 {
				rows = append(rows, current)
				current = empty()
			}
			current.training = extend(current.training, line)
			current.unmonitored = extend(current.unmonitored, line)
		}
	}
	return append(rows, current)
}

// marked sets what differs between marks; nothing at all is shown too.
func marked(text string) string {
	return terminal.Plain.Open + terminal.Safe(text) + terminal.Plain.Close
}

// extend puts a text behind the last line, and its further lines below.
func extend(lines []string, text string) []string {
	first, rest, more := strings.Cut(text, "\n")
	lines[len(lines)-1] += first
	if more {
		lines = append(lines, strings.Split(rest, "\n")...)
	}
	return lines
}

func wrapAll(lines []string, column int) []string {
	var out []string
	for _, line := range lines {
		out = append(out, wrap(strings.ReplaceAll(line, "\t", "    "), column)...)
	}
	return out
}

// wrap breaks a line at spaces, and inside of a word that is wider than a column.
func wrap(line string, column int) []string {
	var out []string
	for widthOf(line) > column {
		cut, space, used := 0, 0, 0
		for i, r := range line {
			if used += runeWidth(r); used > column {
				break
			}
			cut = i + len(string(r))
			if r == ' ' && strings.Trim(line[:i], " ") != "" {
				space = cut
			}
		}
		if space > 0 {
			cut = space
		}
		out = append(out, line[:cut])
		line = line[cut:]
	}
	return append(out, line)
}

func widthOf(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is how many columns a terminal gives a character.
func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}
