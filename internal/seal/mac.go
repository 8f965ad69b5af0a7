package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
)

// MAC is 32 bytes of a message that tell nothing of it to who hasn't the key, however short it is: HMAC-SHA256, with a key of its own
// for each name, that HKDF derives from the first key. With another key in front it is another: what is compared with it is to live
// for minutes, and no longer. Compare in constant time.
func (k *Keys) MAC(name string, message []byte) []byte {
	key, err := hkdf.Expand(sha256.New, k.root, name, sha256.Size)
	if err != nil {
		panic("seal: " + err.Error()) // only for a length that HKDF can't give
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}
