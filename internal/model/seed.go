package model

import "math"

// PortableSeed folds a seed into [0, 2^31-1], the range that every server
// which takes a seed understands: some read 32 bits, some take -1 for "random",
// and some lose whole numbers beyond 2^53. Seeds in that range are unchanged;
// others are mixed first, so that seeds which differ in high bits alone stay
// different but for a chance of 2^-31.
//
// Simulated models fold in the same way, so a request gives the same reply in
// process and over the wire.
func PortableSeed(seed int64) int64 {
	if seed >= 0 && seed <= math.MaxInt32 {
		return seed
	}
	// The finaliser of splitmix64 (Steele, Lea and Flood 2014).
	z := uint64(seed)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return int64(z & math.MaxInt32)
}
