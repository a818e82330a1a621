package documents

import (
	"cmp"
	"slices"
)

// The measure of likeness: the Jaccard similarity of two documents' sets of
// Shingle following words, without regard to case and punctuation. From
// NearDuplicateAt on, one is a near-duplicate of the other.
//
// Candidates are found by MinHash (Broder 1997) with locality-sensitive hashing:
// bands*rows hash functions; a pair of similarity s becomes a candidate with
// probability 1-(1-s^rows)^bands, which is 0.9994 at 0.7. Candidates are compared
// exactly, so nothing below the threshold is ever turned down.
const (
	Shingle         = 5
	NearDuplicateAt = 0.7

	bands = 40
	rows  = 5
)

// Duplicates remembers documents and finds those that are nearly one of them.
// It is not safe for concurrent use.
type Duplicates struct {
	sets    [][]uint32
	buckets [bands]map[uint64][]int32
}

// NewDuplicates returns one that knows no document.
func NewDuplicates() *Duplicates {
	d := &Duplicates{}
	for i := range d.buckets {
		d.buckets[i] = map[uint64][]int32{}
	}
	return d
}

// Fingerprint is what Duplicates has to know of a document.
type Fingerprint struct {
	set   []uint32
	bands [bands]uint64
}

// NewFingerprint reads a document.
func NewFingerprint(text string) Fingerprint {
	var f Fingerprint
	f.set = shingles(text)
	var least [bands * rows]uint64
	for i := range least {
		least[i] = ^uint64(0)
	}
	for i := range least {
		function := mix(uint64(i)) << 32 // one hash function for each i
		for _, s := range f.set {
			least[i] = min(least[i], mix(function^uint64(s)))
		}
	}
	for b := range f.bands {
		h := uint64(b)
		for r := range rows {
			h = mix(h ^ least[b*rows+r])
		}
		f.bands[b] = h
	}
	return f
}

// Near reports whether a document is nearly one that was added.
func (d *Duplicates) Near(f Fingerprint) bool {
	seen := map[int32]bool{}
	for b := range f.bands {
		for _, id := range d.buckets[b][f.bands[b]] {
			if seen[id] {
				continue
			}
			seen[id] = true
			if jaccard(f.set, d.sets[id]) >= NearDuplicateAt {
				return true
			}
		}
	}
	return false
}

// Add remembers a document.
func (d *Duplicates) Add(f Fingerprint) {
	id := int32(len(d.sets))
	d.sets = append(d.sets, f.set)
	for b := range f.bands {
		d.buckets[b][f.bands[b]] = append(d.buckets[b][f.bands[b]], id)
	}
}

// Similarity is the measure between two texts, 0 to 1.
func Similarity(a, b string) float64 { return jaccard(shingles(a), shingles(b)) }

// shingles returns the sorted set of hashes of a text's shingles. A text with
// fewer words has one.
func shingles(text string) []uint32 {
	words := readWords(text)
	hashes := make([]uint64, len(words))
	for i, w := range words {
		hashes[i] = hash(w.text)
	}
	out := make([]uint32, 0, len(words))
	for i := 0; i == 0 || i+Shingle <= len(hashes); i++ {
		h := uint64(0)
		for _, w := range hashes[i:min(i+Shingle, len(hashes))] {
			h = mix(h ^ w)
		}
		out = append(out, uint32(h>>32))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func jaccard(a, b []uint32) float64 {
	common := 0
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch cmp.Compare(a[i], b[k]) {
		case 0:
			common++
			i++
			k++
		case -1:
			i++
		default:
			k++
		}
	}
	return float64(common) / float64(len(a)+len(b)-common)
}
