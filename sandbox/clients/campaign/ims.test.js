'use strict'
// IMS as @adobe/aio-lib-ims asks it.
const test = require('node:test')
const assert = require('node:assert/strict')
const { clientId, imsURL, secret } = require('./sandbox')

function client () {
  const ims = new (require('@adobe/aio-lib-ims').Ims)('prod')
  ims.endpoint = imsURL
  return ims
}

test('a token is issued and validated', async () => {
  const ims = client()
  const issued = await ims.getAccessTokenByClientCredentials(clientId, secret, 'org', ['campaign_sdk'])
  assert.equal(issued.payload.token_type, 'bearer')
  assert.equal((await ims.validateToken(issued.payload.access_token, clientId)).valid, true)
  const forged = Buffer.from(JSON.stringify({ type: 'access_token', client_id: clientId })).toString('base64url')
  assert.deepEqual(await ims.validateToken(`x.${forged}.x`, clientId), { valid: false, reason: 'bad_signature' })
})
