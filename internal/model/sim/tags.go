package sim

import "strings"

// tags are the four tags of a reply; each may be empty.
type tags struct{ open, shut, openOut, shutOut string }

func pair(tag string) (open, shut string) {
	if tag == "" {
		return "", ""
	}
	return "<" + tag + ">", "</" + tag + ">"
}

// tagged puts reasoning and answer into the tags of the given names, either of
// which may be missing, and breaks the tags where the fault says so. Where
// there is nothing to break, there is no fault.
func (c *composition) tagged(scratchpad, thoughts, answer string) string {
	var t tags
	t.open, t.shut = pair(scratchpad)
	t.openOut, t.shutOut = pair(c.output)
	if c.fault == FaultMalformed {
		ways := breaks(t)
		if len(ways) == 0 {
			c.fault = FaultNone
		} else {
			t = ways[c.rng.IntN(len(ways))]
		}
	}
	var b strings.Builder
	if scratchpad != "" {
		b.WriteString(t.open + "\n" + thoughts + "\n" + t.shut + "\n\n")
	}
	if c.output == "" {
		b.WriteString(answer)
	} else {
		b.WriteString(t.openOut + "\n" + answer + "\n" + t.shutOut)
	}
	return b.String()
}

// breaks lists the ways to damage the tags that real models have shown.
func breaks(t tags) []tags {
	var ways []tags
	if t.open != "" {
		ways = append(ways,
			tags{t.open, "", t.openOut, t.shutOut},               // never closed
			tags{"", t.shut, t.openOut, t.shutOut},               // never opened
			tags{t.open, misspell(t.shut), t.openOut, t.shutOut}, // closed with a slip
			tags{t.open, t.open, t.openOut, t.shutOut},           // opened again instead of closed
		)
	}
	if t.openOut != "" {
		ways = append(ways,
			tags{t.open, t.shut, "", t.shutOut},        // output never opened
			tags{t.open, t.shut, t.shutOut, t.openOut}, // output's tags swapped
		)
	}
	if t.open != "" && t.openOut != "" {
		ways = append(ways,
			tags{"**Reasoning**", "", "**Answer**", ""}, // headings instead of tags
			tags{t.open, t.shutOut, t.openOut, t.shut},  // closing tags exchanged
		)
	}
	return ways
}

// misspell drops the last letter of a closing tag's name.
func misspell(tag string) string { return tag[:len(tag)-2] + ">" }

// truncate cuts a reply somewhere between a tenth and nine tenths.
func (c *composition) truncate(raw string) string {
	return cut(raw, int(float64(len(raw))*(0.1+0.8*c.rng.Float64())))
}
