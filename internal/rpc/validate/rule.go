package validate

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// check says what is wrong with a value, as a clause that can follow the name
// of its field, or "".
type check func(v protoreflect.Value) string

// required demands a value. Enums must not be UNSPECIFIED.
func required(ok check) rule {
	return func(c *checker, f field) {
		if !f.set() {
			c.fail(f.path, "is required")
			return
		}
		optional(ok)(c, f)
	}
}

// optional checks a value where there is one.
func optional(ok check) rule {
	return func(c *checker, f field) {
		if !f.set() {
			return
		}
		if problem := ok(f.value()); problem != "" {
			c.fail(f.path, "%s", problem)
		}
	}
}

// list checks the length of a list and each of its items.
func list(least, most int, ok check) rule {
	return func(c *checker, f field) {
		items := f.value().List()
		if !c.length(f, items.Len(), least, most) {
			return
		}
		for i := range items.Len() {
			if problem := ok(items.Get(i)); problem != "" {
				c.fail(fmt.Sprintf("%s[%d]", f.path, i), "%s", problem)
			}
		}
	}
}

// messages checks the length of a list of messages, and each one by its rules.
func messages(least, most int) rule {
	return func(c *checker, f field) {
		items := f.value().List()
		if !c.length(f, items.Len(), least, most) {
			return
		}
		for i := range items.Len() {
			c.message(fmt.Sprintf("%s[%d]", f.path, i), items.Get(i).Message())
		}
	}
}

// labels checks a map from texts to texts.
func labels(most int, key, value check) rule {
	return func(c *checker, f field) {
		entries := f.value().Map()
		if !c.length(f, entries.Len(), 0, most) {
			return
		}
		entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			// A key may be anything, so the path repeats a part of it at most.
			path := fmt.Sprintf("%s[%s]", f.path, shown(k.String()))
			if problem := key(k.Value()); problem != "" {
				c.fail(path, "the key %s", problem)
			}
			if problem := value(v); problem != "" {
				c.fail(path, "%s", problem)
			}
			return true
		})
	}
}

func (c *checker) length(f field, n, least, most int) bool {
	switch {
	case n == 0 && least > 0:
		c.fail(f.path, "is required: at least %d", least)
	case n < least || n > most:
		c.fail(f.path, "must have %d to %d entries, got %d", least, most, n)
	default:
		return true
	}
	return false
}

// nested checks a message by its own rules where there is one.
func nested(c *checker, f field) {
	if f.set() {
		c.message(f.path, f.value().Message())
	}
}

// needed demands a message and checks it by its own rules.
func needed(c *checker, f field) {
	if !f.set() {
		c.fail(f.path, "is required")
		return
	}
	nested(c, f)
}

// outputOnly fields are the server's: what a request holds there is ignored,
// as google.aip.dev/203 asks, so that an answer can be sent back changed.
func outputOnly(*checker, field) {}

// anything marks a field of which every value is right.
func anything(*checker, field) {}

// known demands a value that this version of the enum has.
func known(c *checker, f field) {
	number := f.value().Enum()
	if f.desc.Enum().Values().ByNumber(number) == nil {
		c.fail(f.path, "must be a value of %s, got %d", f.desc.Enum().Name(), number)
	}
}

// chosen is known and not UNSPECIFIED.
func chosen(c *checker, f field) {
	if !f.set() {
		c.fail(f.path, "is required")
		return
	}
	known(c, f)
}

// name demands a name that read takes; form is what it looks like.
func name(form string, read func(string) bool) check {
	return func(v protoreflect.Value) string {
		if !read(v.String()) {
			return fmt.Sprintf("must have the form %s, got %s", form, shown(v.String()))
		}
		return ""
	}
}

// pattern demands a text that match takes; form says which ones it does.
func pattern(form string, match func(string) bool) check {
	return func(v protoreflect.Value) string {
		if !match(v.String()) {
			return fmt.Sprintf("must be %s, got %s", form, shown(v.String()))
		}
		return ""
	}
}

// line bounds a line of text for people, in characters.
func line(most int) check {
	return func(v protoreflect.Value) string {
		s := v.String()
		if problem := text(most * utf8.UTFMax)(v); problem != "" {
			return problem
		}
		if n := utf8.RuneCountInString(s); n > most {
			return fmt.Sprintf("must have at most %d characters, got %d", most, n)
		}
		if strings.ContainsFunc(s, unicode.IsControl) {
			return "must be one line without control characters"
		}
		return ""
	}
}

// text bounds a text of any content, in bytes. It is never repeated.
func text(most int) check {
	return func(v protoreflect.Value) string {
		s := v.String()
		if len(s) > most {
			return fmt.Sprintf("must have at most %d bytes, got %d", most, len(s))
		}
		if !utf8.ValidString(s) {
			return "must be valid UTF-8"
		}
		return ""
	}
}

// someText is text that is not empty.
func someText(most int) check {
	return func(v protoreflect.Value) string {
		if v.String() == "" {
			return "must not be empty"
		}
		return text(most)(v)
	}
}

// blob bounds bytes of any content.
func blob(most int) check {
	return func(v protoreflect.Value) string {
		if n := len(v.Bytes()); n > most {
			return fmt.Sprintf("must have at most %d bytes, got %d", most, n)
		}
		return ""
	}
}

// whole demands a whole number in [least, most].
func whole(least, most int64) check {
	return func(v protoreflect.Value) string {
		if n := v.Int(); n < least || n > most {
			return fmt.Sprintf("must lie in [%d, %d], got %d", least, most, n)
		}
		return ""
	}
}

// atLeast demands a whole number of least or more.
func atLeast(least int64) check {
	return func(v protoreflect.Value) string {
		if n := v.Int(); n < least {
			return fmt.Sprintf("must be at least %d, got %d", least, n)
		}
		return ""
	}
}

// number demands a number that ok takes; interval is which ones. NaN must fail
// every comparison of ok, and so be refused.
func number(interval string, ok func(float64) bool) check {
	return func(v protoreflect.Value) string {
		if !ok(v.Float()) {
			return fmt.Sprintf("must lie in %s, got %v", interval, v.Float())
		}
		return ""
	}
}

// lasting demands a valid duration in [least, most]; most 0 means no bound.
func lasting(least, most time.Duration) check {
	return func(v protoreflect.Value) string {
		d, ok := v.Message().Interface().(*durationpb.Duration)
		if !ok || d.CheckValid() != nil {
			return "must be a valid duration"
		}
		// AsDuration saturates, which keeps the comparison right.
		switch got := d.AsDuration(); {
		case most > 0 && (got < least || got > most):
			return fmt.Sprintf("must lie in [%s, %s], got %s", least, most, got)
		case got < least:
			return fmt.Sprintf("must be at least %s, got %s", least, got)
		}
		return ""
	}
}

// shown repeats a name, cut where it is long.
func shown(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return fmt.Sprintf("%q", s)
}
