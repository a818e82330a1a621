package rubric

import (
	"bufio"
	"fmt"
	"strings"
)

// ruleset is a compiled table of rules over the classes of one sentence.
type ruleset struct {
	// ids are the names of the rules without repeats, in order of appearance.
	ids   []string
	rules []rule
}

// rule holds when every group holds.
type rule struct {
	id     int
	groups []group
}

// group holds when one of its alternatives does, or none if forbid is set.
type group struct {
	pos, neg concepts
	forbid   bool
}

// loadRules compiles an embedded table against its lexicon.
func loadRules(lx *lexicon, file string) (*ruleset, error) {
	data, err := lexiconFiles.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	rs := &ruleset{}
	number := 0
	for sc := bufio.NewScanner(strings.NewReader(string(data))); sc.Scan(); {
		number++
		text := strings.TrimSpace(sc.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if err := rs.add(lx, text); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number, err)
		}
	}
	return rs, nil
}

func (rs *ruleset) add(lx *lexicon, line string) error {
	name, body, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("no colon")
	}
	r := rule{id: rs.id(name)}
	if r.id < 0 {
		r.id = len(rs.ids)
		rs.ids = append(rs.ids, name)
	}
	for _, part := range strings.Split(body, "&") {
		var gr group
		part, gr.forbid = strings.CutPrefix(strings.TrimSpace(part), "-")
		for _, alt := range strings.Split(part, "/") {
			class, neg := strings.CutPrefix(alt, "!")
			set, err := lx.set(class)
			if err != nil {
				return err
			}
			if neg {
				gr.neg |= set
			} else {
				gr.pos |= set
			}
		}
		r.groups = append(r.groups, gr)
	}
	rs.rules = append(rs.rules, r)
	return nil
}

// id returns the number of a rule name, or -1.
func (rs *ruleset) id(name string) int {
	for i, n := range rs.ids {
		if n == name {
			return i
		}
	}
	return -1
}

// holds reports whether a rule named id holds in a sentence whose classes are
// pos, and neg where negated.
func (rs *ruleset) holds(id int, pos, neg concepts) bool {
	for i := range rs.rules {
		if rs.rules[i].id == id && rs.rules[i].holds(pos, neg) {
			return true
		}
	}
	return false
}

func (r *rule) holds(pos, neg concepts) bool {
	for i := range r.groups {
		gr := &r.groups[i]
		if (gr.pos&pos != 0 || gr.neg&neg != 0) == gr.forbid {
			return false
		}
	}
	return true
}
