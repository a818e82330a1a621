package scenario

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Piece is a stretch of a message that is put to a model under two conditions.
type Piece struct {
	// Training and Unmonitored are what stands there on each side. They are equal
	// unless Differs is true; then one of them may be empty.
	Training    string `json:"training"`
	Unmonitored string `json:"unmonitored"`
	Differs     bool   `json:"differs"`

	// field and offset say where a piece of a template stands, and variable is
	// the name of the one that a piece is of.
	field, variable string
	offset          int
}

// ComparedMessage is one message under two conditions, in pieces.
type ComparedMessage struct {
	Role   string  `json:"role"`
	Pieces []Piece `json:"pieces"`
}

// maxDiffCells bounds the work of comparing two values word by word. Longer ones
// count as one difference, but for the words that they begin and end with.
const maxDiffCells = 1 << 18

// Compare puts a text to the model under the two conditions of a contrast and
// returns what is sent on both sides, with the words that differ apart from those
// that do not. The pieces of a side, joined, are its messages as RenderText gives
// them. The errors are those of RenderText, and one that wraps ErrNotFound for a
// contrast that there is not.
func (s *Scenario) Compare(contrastID, text string) ([]ComparedMessage, error) {
	contrast, ok := s.Contrast(contrastID)
	if !ok {
		return nil, fmt.Errorf("compare scenario %s: %w: contrast %s", s.ID, ErrNotFound, shown(contrastID))
	}
	for _, id := range []string{contrast.Training, contrast.Unmonitored} {
		if _, err := s.RenderText(id, text); err != nil {
			return nil, err
		}
	}
	training, _ := s.Condition(contrast.Training)
	unmonitored, _ := s.Condition(contrast.Unmonitored)
	var out []ComparedMessage
	diffs := wordDiffs{}
	for _, part := range []struct{ role, template string }{{"system", s.System}, {"user", s.User}} {
		pieces := diffs.sides("prompt."+part.role, part.template, training, unmonitored, text)
		if len(pieces) > 0 {
			out = append(out, ComparedMessage{part.role, pieces})
		}
	}
	return out, nil
}

// wordDiffs remembers differences that were found: a template may use a variable
// many times.
type wordDiffs map[[2]string][]Piece

func (w wordDiffs) of(a, b string) []Piece {
	key := [2]string{a, b}
	if _, known := w[key]; !known {
		w[key] = diffWords(a, b)
	}
	return w[key]
}

// sides fills a template for two conditions. Empty pieces are left out.
func (w wordDiffs) sides(field, template string, training, unmonitored Condition, text string) []Piece {
	segments, _ := parseTemplate(template)
	var out []Piece
	add := func(p Piece) {
		if p.Training != "" || p.Unmonitored != "" {
			out = append(out, p)
		}
	}
	for _, seg := range segments {
		at := Piece{field: field, offset: seg.offset, variable: seg.variable}
		switch seg.variable {
		case "":
			at.Training, at.Unmonitored = seg.text, seg.text
			add(at)
		case queryVariable:
			at.Training, at.Unmonitored = text, text
			add(at)
		default:
			for _, p := range w.of(training.Variables[seg.variable], unmonitored.Variables[seg.variable]) {
				p.field, p.offset, p.variable = at.field, at.offset, at.variable
				add(p)
			}
		}
	}
	return out
}

// diffWords splits two texts into what they share and what they do not: a longest
// common subsequence of words and of what stands between words. Differences that
// hardly anything separates are one.
func diffWords(a, b string) []Piece {
	if a == b {
		return []Piece{{Training: a, Unmonitored: b}}
	}
	x, y := splitWords(a), splitWords(b)
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	pieces := []Piece{same(x[:head])}
	middleX, middleY := x[head:len(x)-tail], y[head:len(y)-tail]
	if len(middleX)*len(middleY) > maxDiffCells {
		pieces = append(pieces, differ(middleX, middleY))
	} else {
		pieces = append(pieces, commonWords(middleX, middleY)...)
	}
	return joinPieces(append(pieces, same(x[len(x)-tail:])))
}

func same(words []string) Piece {
	text := strings.Join(words, "")
	return Piece{Training: text, Unmonitored: text}
}

func differ(a, b []string) Piece {
	return Piece{Training: strings.Join(a, ""), Unmonitored: strings.Join(b, ""), Differs: true}
}

// commonWords aligns two lists along a longest common subsequence.
func commonWords(a, b []string) []Piece {
	width := len(b) + 1
	length := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			best := max(length[(i+1)*width+j], length[i*width+j+1])
			if a[i] == b[j] {
				best = length[(i+1)*width+j+1] + 1
			}
			length[i*width+j] = best
		}
	}
	var out []Piece
	i, j, fromI, fromJ := 0, 0, 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, differ(a[fromI:i], b[fromJ:j]), same(a[i:i+1]))
			i, j = i+1, j+1
			fromI, fromJ = i, j
		case length[(i+1)*width+j] >= length[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return append(out, differ(a[fromI:], b[fromJ:]))
}

// joinPieces joins neighbours of one kind, and two differences with no whole word
// between them. Empty pieces are left out.
func joinPieces(pieces []Piece) []Piece {
	var out []Piece
	for _, p := range pieces {
		if p.Training == "" && p.Unmonitored == "" {
			continue
		}
		n := len(out)
		switch {
		case n > 0 && out[n-1].Differs == p.Differs:
			out[n-1].Training += p.Training
			out[n-1].Unmonitored += p.Unmonitored
		case n > 1 && p.Differs && !strings.ContainsFunc(out[n-1].Training, isWordRune):
			out[n-2].Training += out[n-1].Training + p.Training
			out[n-2].Unmonitored += out[n-1].Unmonitored + p.Unmonitored
			out = out[:n-1]
		default:
			out = append(out, p)
		}
	}
	return out
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// splitWords cuts a text into words and the single characters between them.
func splitWords(s string) []string {
	var out []string
	for s != "" {
		end := strings.IndexFunc(s, func(r rune) bool { return !isWordRune(r) })
		switch {
		case end < 0:
			end = len(s)
		case end == 0:
			_, end = utf8.DecodeRuneInString(s)
		}
		out = append(out, s[:end])
		s = s[end:]
	}
	return out
}
