package rubric

import (
	"math/bits"
	"unicode/utf8"
)

// recentWord is a word that the lexer has met: its folded letters, in the order
// of the text from the lowest byte up, and what the vocabulary says of it.
type recentWord struct {
	low, high uint64
	word      int32
	hash      uint32
}

// recentWords remembers words of plain letters and digits, up to 16 bytes, so
// that their stem is looked up once. Most of a text are words just met. It has
// a fixed size, a newer word takes the place of an older one, and what it says
// is what stem and vocabulary.find say, so that no result depends on it. The
// vocabulary must not grow while it is in use.
type recentWords [1 << recentBits]recentWord

const recentBits = 12

func (r *recentWords) at(low, high uint64) *recentWord {
	return &r[(low^bits.RotateLeft64(high*0x9E3779B97F4A7C15, 32))*0xFF51AFD7ED558CCD>>(64-recentBits)]
}

// The arithmetic below works on eight bytes of a text at once: ones times a
// byte is that byte eight times over, and tops are their highest bits, of which
// one says something of each byte.
const (
	ones = 0x0101010101010101
	tops = 0x80 * ones
)

// eight returns the bytes of text from i on, the first one lowest. There must
// be as many.
func eight(text string, i int) uint64 {
	b := text[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// letterBytes and digitBytes have the highest bit set of those of eight bytes
// that are letters or digits of ASCII. Their other bits, and what they say of
// bytes outside of ASCII, mean nothing. No sum carries into the next byte, since
// every byte of plain is under 0x80.
func letterBytes(x uint64) uint64 {
	plain := x&^tops | 0x20*ones
	return (plain + (0x80-'a')*ones) &^ (plain + (0x7F-'z')*ones)
}

func digitBytes(x uint64) uint64 {
	plain := x &^ tops
	return (plain + (0x80-'0')*ones) &^ (plain + (0x7F-'9')*ones)
}

// longestRecent is the longest word that is remembered, in bytes.
const longestRecent = 16

// word reads a word that starts with a letter or digit of ASCII at i and
// returns the offset behind it. It is scanWord, but for words that are
// remembered: no longer than longestRecent, without an apostrophe or a character
// outside of ASCII behind, and not at the very end of the text.
func (l *lexer) word(text string, i int) int {
	if l.recent == nil || i+longestRecent >= len(text) {
		return l.scanWord(text, i)
	}
	x := eight(text, i)
	letters := letterBytes(x)
	after := (letters|digitBytes(x))&^x&tops ^ tops // the bytes that do not belong to the word
	mask := (after&-after)>>7 - 1                   // those before the first one; all if there is none
	low, high := (x|letters&tops>>2)&mask, uint64(0)
	small := (x<<2 | ^letters) & tops & mask // those that are no capitals
	end := i + bits.TrailingZeros64(after)>>3
	if after == 0 {
		x = eight(text, i+8)
		letters = letterBytes(x)
		if after = (letters|digitBytes(x))&^x&tops ^ tops; after == 0 {
			return l.scanWord(text, i)
		}
		mask = (after&-after)>>7 - 1
		high = (x | letters&tops>>2) & mask
		small |= (x<<2 | ^letters) & tops & mask
		end = i + 8 + bits.TrailingZeros64(after)>>3
	}
	if next := text[end]; next == '\'' || next >= utf8.RuneSelf {
		return l.scanWord(text, i)
	}
	r := l.recent.at(low, high)
	if r.low != low || r.high != high {
		l.learn(r, low, high)
	}
	l.tokens = append(l.tokens, token{start: int32(i), end: int32(end), word: r.word, hash: r.hash, shout: small == 0})
	return end
}

// learn looks a word up and puts it into a place of l.recent.
func (l *lexer) learn(r *recentWord, low, high uint64) {
	l.buf = l.buf[:0]
	for _, x := range [2]uint64{low, high} {
		for ; x != 0; x >>= 8 {
			l.buf = append(l.buf, byte(x))
		}
	}
	s := stem(l.buf)
	hash := hashStem(s)
	*r = recentWord{low: low, high: high, word: l.vocab.find(s, hash), hash: hash}
}
