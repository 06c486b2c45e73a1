package journal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// Positions look like those of the service: animals and numbers that only this package
// can read. A client that parses one, or makes one up, fails. They outlive a restart,
// but not their log.
var animals = []string{"ant", "bat", "cow", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "koi", "lynx", "moth", "newt", "owl", "pig"}

var block = func() cipher.Block {
	b, err := aes.NewCipher([]byte("journal position"))
	if err != nil {
		panic(err) // unreachable: the key has the right length
	}
	return b
}()

func (s *Server) position(n int) string {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:8], uint64(n)) //nolint:gosec // not negative
	binary.BigEndian.PutUint64(b[8:], s.o.Log.Epoch())
	block.Encrypt(b[:], b[:])
	text := hex.EncodeToString(b[:])
	return animals[n%len(animals)] + ":" + text[:16] + ":" + text[16:]
}

// number reads a position. It is -1 for a position in another log, whose events are
// gone.
func (s *Server) number(position string) (int, bool) {
	parts := strings.Split(position, ":")
	if len(parts) != 3 || len(parts[1]) != 16 {
		return 0, false
	}
	b, err := hex.DecodeString(parts[1] + parts[2])
	if err != nil || len(b) != aes.BlockSize {
		return 0, false
	}
	block.Decrypt(b, b)
	n := binary.BigEndian.Uint64(b[:8])
	if binary.BigEndian.Uint64(b[8:]) != s.o.Log.Epoch() || n > 1<<40 {
		return -1, true
	}
	return int(n), animals[int(n)%len(animals)] == parts[0]
}
