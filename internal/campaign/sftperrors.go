package campaign

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"causeway.dev/internal/apierr"
)

func sftpFailure(class apierr.Class, reason, op, message string) *apierr.Error {
	return &apierr.Error{Class: class, Reason: reason, Service: sftpService, Op: op, Message: message}
}

// lost says that err is the end of the connection.
func lost(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, sftp.ErrSSHFxNoConnection) || errors.Is(err, io.ErrClosedPipe)
}

// classifyHandshake explains a handshake that failed after the host's key was
// accepted, or before it was shown. offered says that our key was asked for.
func classifyHandshake(op string, err error, offered bool) error {
	negotiation, none := errors.AsType[*ssh.AlgorithmNegotiationError](err)
	switch {
	case none && negotiation.What == "host key":
		return fmt.Errorf("%w: it has no key of a kind that is on record", errOtherKey)
	case none:
		return sftpFailure(apierr.Blocked, apierr.ReasonConfig, op, "the server and this program share no algorithm for "+negotiation.What)
	case lost(err):
		return sftpFailure(apierr.Retryable, apierr.ReasonNetwork, op,
			"the server closed the connection or did not answer; is this address on the Control Panel's allow list, and are there too many sessions?")
	case offered:
		return sftpFailure(apierr.Blocked, apierr.ReasonCredentials, op,
			"the server refuses the key; check campaign.sftp.user, campaign.sftp.key and that the public key is in the Control Panel and has not expired")
	}
	return sftpFailure(apierr.Retryable, apierr.ReasonServiceFault, op, "the server does not speak SSH as expected; check campaign.sftp.port")
}

// classifyStart explains a session that could not be opened after logging in.
func classifyStart(op string, err error) error {
	_, refused := errors.AsType[*ssh.OpenChannelError](err)
	switch {
	case refused:
		return sftpFailure(apierr.Retryable, apierr.ReasonServiceFault, op, "the server opens no session; are there too many?")
	case lost(err):
		return sftpFailure(apierr.Retryable, apierr.ReasonNetwork, op, "the connection broke")
	}
	return sftpFailure(apierr.Blocked, apierr.ReasonPermission, op, "the server offers this user no SFTP")
}

// localError marks a failure on our own disk, which keeps its type.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

func local(err error) error {
	if err == nil {
		return nil
	}
	return &localError{err}
}

// localWriter is the local end of a download.
type localWriter struct{ w io.Writer }

func (l localWriter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	return n, local(err)
}

// classifySFTP explains a failed operation. The server's own texts stay out of
// the message.
func classifySFTP(op string, err error) error {
	if own, ok := errors.AsType[*localError](err); ok {
		return fmt.Errorf("%s: %w", op, own.err)
	}
	if _, done := errors.AsType[*apierr.Error](err); done {
		return err
	}
	status, answered := errors.AsType[*sftp.StatusError](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return sftpFailure(apierr.Rejected, apierr.ReasonNotFound, op, "there is no such file")
	case errors.Is(err, fs.ErrPermission):
		return sftpFailure(apierr.Blocked, apierr.ReasonPermission, op, "the server does not allow it")
	case answered && sayFull(status):
		return noSpace(op)
	case answered:
		e := sftpFailure(apierr.Retryable, apierr.ReasonServiceFault, op, "the server failed")
		e.Code = fmt.Sprintf("SSH_FX_%d", status.Code)
		return e
	case lost(err):
		e := sftpFailure(apierr.Retryable, apierr.ReasonNetwork, op, "the connection broke")
		e.Ambiguous = true
		return e
	}
	return sftpFailure(apierr.Retryable, apierr.ReasonBadResponse, op, "the server's answer cannot be read")
}

func noSpace(op string) *apierr.Error {
	return sftpFailure(apierr.Blocked, apierr.ReasonNoSpace, op, "the server's storage is full; delete files, or raise its capacity in the Control Panel")
}

// sayFull recognises servers that say so; OpenSSH does not, see SFTP.full.
func sayFull(status *sftp.StatusError) bool {
	text := strings.ToLower(status.Error())
	return strings.Contains(text, "quota") || strings.Contains(text, "no space") || status.Code == 14 || status.Code == 15
}
