package rubric

import "math/bits"

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

// wordBytes tells which of eight bytes are letters and which are digits of
// ASCII. No sum below carries into the next byte, since every byte of plain is
// under 0x80.
func wordBytes(x uint64) (letters, digits uint64) {
	plain := x &^ tops
	lower := plain | 0x20*ones
	letters = (lower + (0x80-'a')*ones) &^ (lower + (0x7F-'z')*ones) & tops &^ x
	digits = (plain + (0x80-'0')*ones) &^ (plain + (0x7F-'9')*ones) & tops &^ x
	return letters, digits
}

// longestRecent is the longest word that is remembered, in bytes.
const longestRecent = 16

// recall returns the word at text[i], which begins with a letter or digit of
// ASCII, the offset behind it and whether it is in capitals throughout. It
// returns nil for a word that is not to be remembered: a longer one, or one
// that an apostrophe or a character outside of ASCII follows, or one so near the
// end of the text that 16 bytes cannot be read.
func (l *lexer) recall(text string, i int) (r *recentWord, end int, shout bool) {
	if i+longestRecent >= len(text) {
		return nil, 0, false
	}
	x := eight(text, i)
	letters, digits := wordBytes(x)
	n := bits.TrailingZeros64(^(letters|digits)&tops) >> 3
	mask := uint64(1)<<(8*n) - 1 // all ones for n = 8
	low, high := (x|letters>>2)&mask, uint64(0)
	lower := (digits | letters&(x<<2)) & mask
	if n == 8 {
		x = eight(text, i+8)
		letters, digits = wordBytes(x)
		m := bits.TrailingZeros64(^(letters|digits)&tops) >> 3
		if m == 8 {
			return nil, 0, false
		}
		mask = uint64(1)<<(8*m) - 1
		high = (x | letters>>2) & mask
		lower |= (digits | letters&(x<<2)) & mask
		n += m
	}
	end = i + n
	if next := text[end]; next == '\'' || next >= 0x80 {
		return nil, 0, false
	}
	r = l.recent.at(low, high)
	if r.low != low || r.high != high {
		l.learn(r, low, high)
	}
	return r, end, lower == 0
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
