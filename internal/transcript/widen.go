package transcript

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// widen extends each tag over what merely adorns it: doubled brackets, bold
// marks on both sides, and, on the outer side of a block, invisible characters
// and the delimiters of a comment or CDATA section around it. Text inside a
// block is never touched.
func widen(src string, toks []token) {
	floor := 0
	for i := range toks {
		t := &toks[i]
		ceiling := len(src)
		if i+1 < len(toks) {
			ceiling = toks[i+1].start
		}
		if t.kind == noise {
			floor = t.end
			continue
		}
		both(src, t, floor, ceiling)
		if t.kind != closing {
			t.start = outerBefore(src, t.start, floor)
		}
		if t.kind != opening {
			t.end = outerAfter(src, t.end, ceiling)
		}
		floor = t.end
	}
}

// both extends a tag over the same adornment on its two sides.
func both(src string, t *token, floor, ceiling int) {
	if t.start > floor && t.end < ceiling && src[t.start-1] == '<' && src[t.end] == '>' {
		t.start, t.end, t.level = t.start-1, t.end+1, max(t.level, near)
	}
	for _, mark := range [...]byte{'*', '_'} {
		left, right := 0, 0
		for left < 4 && t.start-left > floor && src[t.start-left-1] == mark {
			left++
		}
		for right < 4 && t.end+right < ceiling && src[t.end+right] == mark {
			right++
		}
		if left == right && left > 0 && left < 4 {
			t.start, t.end = t.start-left, t.end+right
		}
	}
}

func outerBefore(src string, start, floor int) int {
	head := src[floor:start]
	glue := strings.TrimRightFunc(head, invisible)
	bare := strings.TrimRightFunc(glue, unicode.IsSpace)
	for _, open := range [...]string{"<!--", "<![CDATA["} {
		if strings.HasSuffix(bare, open) {
			return floor + len(bare) - len(open)
		}
	}
	return floor + len(glue)
}

func outerAfter(src string, end, ceiling int) int {
	tail := src[end:ceiling]
	n := 0
	for n < len(tail) {
		r, w := utf8.DecodeRuneInString(tail[n:])
		if !invisible(r) {
			break
		}
		n += w
	}
	bare := strings.TrimLeftFunc(tail[n:], unicode.IsSpace)
	for _, shut := range [...]string{"-->", "]]>"} {
		if strings.HasPrefix(bare, shut) {
			return end + len(tail) - len(bare) + len(shut)
		}
	}
	return end + n
}
