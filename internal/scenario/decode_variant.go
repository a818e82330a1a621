package scenario

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// parts are what the prompts of a document are put together from.
type parts struct {
	fragments map[string]origin
	// names are those of the fragments, in the order of the files.
	names    []string
	variants []variantSource
	// partial is true when some of them could not be read, so that what seems to
	// be missing may be there.
	partial bool
}

// variantSource is a variant as it stands in a file.
type variantSource struct {
	Variant
	// field is its path, and file says in which file it stands.
	field        string
	fragments    parts
	system, user *string
}

// partFields read what the document and the files that it includes may hold.
func (d *decoder) partFields(p *parts) map[string]reader {
	return map[string]reader{
		"fragments": d.fragments(p),
		"variants":  d.items(func(n *yaml.Node, path string) { p.variants = append(p.variants, d.variant(n, path)) }),
	}
}

// fragments reads a mapping from names to texts.
func (d *decoder) fragments(into *parts) reader {
	return func(n *yaml.Node, path string) {
		if into.fragments == nil {
			into.fragments = map[string]origin{}
		}
		d.pairs(n, path, func(key, value *yaml.Node) {
			if !isName(key.Value) {
				d.report.add(Problem{
					File: d.file, Line: key.Line, Column: key.Column, Field: path,
					Message: "a fragment's name must be 1 to 63 lower-case letters, digits and underscores and begin with a letter, not " + shown(key.Value),
				})
				return
			}
			if other, taken := into.fragments[key.Value]; taken {
				d.fail(key, child(path, key.Value), "is already set in %s", d.marks[other.field].file)
				return
			}
			f := origin{field: child(path, key.Value)}
			d.text(&f.text)(value, f.field)
			into.fragments[key.Value] = f
			into.names = append(into.names, key.Value)
		})
	}
}

func (d *decoder) variant(n *yaml.Node, path string) variantSource {
	v := variantSource{field: path}
	d.object(n, path, map[string]reader{
		"id":          d.text(&v.ID),
		"factor":      d.text((*string)(&v.Factor)),
		"description": d.text(&v.Description),
		"fragments":   d.fragments(&v.fragments),
		"variables":   d.variables(&v.Variables),
		"prompt":      d.fields(map[string]reader{"system": d.given(&v.system), "user": d.given(&v.user)}),
	})
	return v
}

// given is text for a field whose empty value differs from none.
func (d *decoder) given(into **string) reader {
	return func(n *yaml.Node, path string) {
		var s string
		d.text(&s)(n, path)
		*into = &s
	}
}

// variantOf reads of which scenario this one is a variant.
func (d *decoder) variantOf(s *Scenario) reader {
	return func(n *yaml.Node, path string) {
		d.object(n, path, map[string]reader{
			"scenario": d.text(&s.Base), "variant": d.text(&s.VariantID), "factor": d.text((*string)(&s.Factor)),
		})
		if n.Kind == yaml.MappingNode && s.Base == "" && !d.faulty[path+".scenario"] {
			d.place(path+".scenario", -1, "is required")
			d.faulty[path+".scenario"], d.faulty["id"] = true, true
		}
	}
}

// expand puts the fragments into the templates of the scenario and of each of
// its variants. What is wrong is reported where it stands; a text that cannot be
// put together stays as it is, and its field counts as faulty.
func (d *decoder) expand(s *Scenario, p *parts) {
	if n := len(p.names); n > MaxFragments {
		d.place("fragments", -1, fmt.Sprintf("has %d items; at most %d are allowed", n, MaxFragments))
		d.faulty["prompt.system"], d.faulty["prompt.user"], d.faulty["fragments"] = true, true, true
		return
	}
	variants := p.variants
	if len(variants) > MaxVariants {
		variants = nil // check says so
	}
	e := expander{decoder: d, parts: p, used: map[string]bool{}, complete: len(variants) == len(p.variants) && !p.partial}
	e.check(p)
	system, user := e.read("prompt.system", s.System), e.read("prompt.user", s.User)
	templates := make([][2]template, len(variants))
	for i, v := range variants {
		e.check(&v.fragments)
		templates[i] = [2]template{system, user}
		for j, own := range []*string{v.system, v.user} {
			if own != nil {
				templates[i][j] = e.read(v.field+".prompt."+[]string{"system", "user"}[j], *own)
			}
		}
	}
	if e.complete {
		e.unused()
	}
	s.System, _ = e.put("prompt.system", system, p.fragments)
	s.User, _ = e.put("prompt.user", user, p.fragments)
	for i, v := range variants {
		d.variantFields = append(d.variantFields, v.field)
		s.Variants = append(s.Variants, e.variant(i, v, templates[i]))
	}
	for _, v := range p.variants[len(variants):] {
		// Nothing is to be said of them but that they are too many, and of
		// their variables that they may be used.
		for _, own := range []*string{v.system, v.user} {
			if own != nil {
				v.System += *own
			}
		}
		s.Variants = append(s.Variants, v.Variant)
	}
}

// expander puts together the prompts of one document.
type expander struct {
	*decoder
	*parts
	// used are the fragments that some template uses; complete is false when
	// that cannot be said because one of them is misspelt.
	used     map[string]bool
	complete bool
	// size is that of all variants so far.
	size int
}

// check looks at the texts of fragments on their own.
func (e *expander) check(p *parts) {
	for _, name := range p.names {
		f := p.fragments[name]
		if e.faulty[f.field] {
			continue
		}
		bad := func(offset int, message string) {
			e.placeAt(f.field, offset, message)
		}
		before := len(e.report.problems) + e.report.omitted
		if len(f.text) > MaxPromptBytes {
			bad(-1, fmt.Sprintf("has %d bytes; at most %d are allowed", len(f.text), MaxPromptBytes))
		} else if offset, message, ok := textFault(f.text, true); !ok {
			bad(offset, message)
		}
		inner, faults := tokens(f.text)
		for _, t := range inner {
			if t.fragment != "" {
				bad(t.offset, "a fragment holds text and variables, and no other fragment")
			}
		}
		for _, x := range faults {
			bad(x.offset, "a fragment holds text and variables, and no other fragment")
		}
		if len(inner) == 1 && inner[0].fragment == "" {
			_, wrong := parseTemplate(f.text)
			for _, x := range wrong {
				bad(x.offset, x.message)
			}
		}
		if len(e.report.problems)+e.report.omitted > before {
			e.faulty[f.field] = true
		}
	}
}

// read takes a template apart and checks which fragments it names.
func (e *expander) read(field, text string) template {
	t := template{origin: origin{field, text}}
	if len(text) > MaxPromptBytes {
		t.tokens = []token{{text: text}} // check says so
		return t
	}
	var faults []fault
	t.tokens, faults = tokens(text)
	for _, f := range faults {
		e.bad(field, f.offset, f.message)
	}
	uses := 0
	for i, tok := range t.tokens {
		if tok.fragment == "" {
			if len(t.tokens) > 1 {
				_, wrong := parseTemplate(tok.text)
				for _, f := range wrong {
					e.bad(field, tok.offset+f.offset, f.message)
				}
			}
			continue
		}
		if uses++; uses == MaxFragmentUses+1 {
			e.bad(field, tok.offset, fmt.Sprintf("the template uses fragments more than %d times", MaxFragmentUses))
			return t
		}
		if _, ok := e.parts.fragments[tok.fragment]; ok {
			e.used[tok.fragment] = true
			continue
		}
		message := fmt.Sprintf("there is no fragment %q", tok.fragment)
		if near := closest(tok.fragment, e.names); near != "" {
			message += fmt.Sprintf("; did you mean %q?", near)
			e.used[near], t.tokens[i].fragment = true, near
		}
		if e.partial {
			e.broken = append(e.broken, field)
			continue
		}
		e.bad(field, tok.offset, message)
	}
	return t
}

func (e *expander) bad(field string, offset int, message string) {
	e.placeAt(field, offset, message)
	e.broken = append(e.broken, field)
	e.complete = false
}

// unused reports the fragments that nothing uses.
func (e *expander) unused() {
	for _, name := range e.names {
		if f := e.parts.fragments[name]; !e.used[name] && !e.faulty[f.field] {
			e.placeAt(f.field, -1, fmt.Sprintf("no template uses {{>%s}}", name))
		}
	}
}

// put expands a template as the value of a field. ok is false where that field
// is faulty; then the text is the template as it stands.
func (e *expander) put(field string, t template, fragments map[string]origin) (text string, ok bool) {
	at := e.inFile(field)
	if slices.Contains(e.broken, t.field) || e.faulty[t.field] {
		e.faulty[at] = true
		return t.text, false
	}
	if size := t.expandedSize(fragments); size > MaxPromptBytes && size > len(t.text) {
		e.placeAt(at, -1, fmt.Sprintf("has %d bytes with its fragments; at most %d are allowed", size, MaxPromptBytes))
		e.faulty[at] = true
		return t.text, false
	}
	text, spans, faults := t.expand(fragments)
	for _, f := range faults {
		e.placeAt(t.field, f.offset, f.message)
	}
	if len(faults) > 0 {
		e.faulty[at] = true
		return t.text, false
	}
	if len(spans) > 1 || len(spans) == 1 && spans[0].field != field {
		e.expanded[field] = spans
	}
	return text, true
}

// variant expands the templates of a variant, which are its own or those of the
// scenario, with its own fragments in place of the scenario's.
func (e *expander) variant(i int, v variantSource, templates [2]template) Variant {
	fragments := e.parts.fragments
	if len(v.fragments.names) > 0 {
		fragments = map[string]origin{}
		for name, f := range e.parts.fragments {
			fragments[name] = f
		}
	}
	wrong := false
	for _, name := range v.fragments.names {
		f := v.fragments.fragments[name]
		wrong = wrong || e.faulty[f.field]
		_, known := e.parts.fragments[name]
		switch {
		case !known:
			message := fmt.Sprintf("there is no fragment %q to replace", name)
			if near := closest(name, e.names); near != "" {
				message += fmt.Sprintf("; did you mean %q?", near)
			}
			if !e.partial {
				e.placeAt(f.field, -1, message)
			}
			wrong = true
		case e.complete && !templates[0].uses(name) && !templates[1].uses(name):
			e.placeAt(f.field, -1, fmt.Sprintf("the prompt of this variant does not use {{>%s}}", name))
			wrong = true
		}
		fragments[name] = f
	}
	out := v.Variant
	var ok [2]bool
	if e.size += templates[0].expandedSize(fragments) + templates[1].expandedSize(fragments); e.size > MaxVariantBytes {
		e.placeAt("variants", -1, tooManyVariantBytes)
		wrong = true
	} else {
		name := fmt.Sprintf("variants[%d].prompt.", i)
		out.System, ok[0] = e.put(name+"system", templates[0], fragments)
		out.User, ok[1] = e.put(name+"user", templates[1], fragments)
	}
	if wrong || !ok[0] || !ok[1] {
		e.faulty[v.field] = true
	}
	return out
}
