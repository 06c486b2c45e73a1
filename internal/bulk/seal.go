package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Recipient encrypts parts for the instance, which decrypts them as it loads them: the
// pre-processing step Decryption GPG, with a key pair made in the Control Panel.
type Recipient struct{ keys openpgp.EntityList }

// ParseRecipient reads the armored public key that the Control Panel gives out. It fails
// on anything else, above all on a private key, which has no place here. Its errors
// say nothing of the key.
func ParseRecipient(armored []byte, now time.Time) (*Recipient, error) {
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil {
		return nil, errors.New("the key for files: not an armored OpenPGP public key")
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("the key for files: got %d keys, want the one of the instance", len(keys))
	}
	if keys[0].PrivateKey != nil {
		return nil, errors.New("the key for files: got a private key, want the public one; replace the pair, because the private key has left its place")
	}
	if _, ok := keys[0].EncryptionKey(now); !ok {
		return nil, errors.New("the key for files: it cannot encrypt, or has expired or been revoked")
	}
	return &Recipient{keys}, nil
}

// sealing is a part that is encrypted as it is read.
type sealing struct {
	*io.PipeReader
	done chan struct{} // closed when the part is no longer read
}

// Close ends the reading of the part, and waits for it.
func (s *sealing) Close() error {
	err := s.PipeReader.Close()
	<-s.done
	return err
}

// encrypt reads a part and gives it encrypted, in other bytes each time. A failure to read
// the part is a failure to read the result, so that no upload of a half ends well.
func (r *Recipient) encrypt(plain io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	s := &sealing{out, make(chan struct{})}
	go func() {
		defer close(s.done)
		w, err := openpgp.Encrypt(in, r.keys, nil, &openpgp.FileHints{IsBinary: true}, nil)
		if err == nil {
			_, err = io.Copy(w, plain)
		}
		if err == nil {
			err = w.Close()
		}
		in.CloseWithError(err) // nil is the end
	}()
	return s
}

// counted counts what is read.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
