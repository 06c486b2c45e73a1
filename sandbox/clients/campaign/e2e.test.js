'use strict'
// What the end-to-end suite of @adobe/aio-lib-campaign-standard checks against the real
// service (its e2e folder), call for call.
const test = require('node:test')
const assert = require('node:assert/strict')
const crypto = require('node:crypto')
const { campaign, clientId, accessToken, tenant } = require('./sandbox')

const random = () => crypto.randomBytes(16).toString('hex')
const code = (name) => (error) => error.code === name || assert.fail(`got ${error.code}: ${error.message}`)

test('a client knows what it was made with', async () => {
  const sdk = await campaign()
  assert.deepEqual([sdk.tenantId, sdk.apiKey, sdk.accessToken], [tenant, clientId, await accessToken()])
})

test('a bad token, key or tenant is refused', async () => {
  await assert.rejects((await campaign({ token: 'bad_access_token' })).getAllProfiles(), /401/)
  await assert.rejects((await campaign({ clientId: 'bad_api_key' })).getAllProfiles(), /403/)
  await assert.rejects((await campaign({ tenant: 'bad_tenant_id' })).getAllProfiles(), code('ERROR_GET_ALL_PROFILES'))
})

test('lists and metadata', async () => {
  const sdk = await campaign()
  for (const answer of [
    await sdk.getAllProfiles({ limit: 5, page: 0 }), await sdk.getAllServices({ limit: 5, page: 0 }), await sdk.getAllOrgUnits({ limit: 5, page: 0 }),
    await sdk.getMetadataForResource('profile'), await sdk.getMetadataForResource('service'), await sdk.getMetadataForResource('history'),
    await sdk.getCustomResources({ limit: 5, page: 0 })
  ]) assert.ok(answer.ok)
})

test('resources that nobody made', async () => {
  const sdk = await campaign()
  await assert.rejects(sdk.getAllCustomResources({ customResource: random() }), code('ERROR_GET_ALL_CUSTOM_RESOURCES'))
  await assert.rejects(sdk.createCustomResource(random(), {}), code('ERROR_CREATE_CUSTOM_RESOURCE'))
  // The order of these arguments is that of the suite.
  await assert.rejects(sdk.updateCustomResource(random(), {}, '@gibberish'), (e) => e.message.includes("'@gibberish' is not a valid constant") || assert.fail(e.message))
  await assert.rejects(sdk.deleteCustomResource(random(), '@gibberish'), code('ERROR_DELETE_CUSTOM_RESOURCE'))
})

test('a profile is created, updated and read', async () => {
  const sdk = await campaign()
  const firstName = `First_${crypto.randomBytes(4).toString('hex')}`
  const created = await sdk.createProfile({ email: `${firstName}@notanemail.net`, firstName, lastName: 'Last' })
  assert.equal(created.status, 201)
  const updated = await sdk.updateProfile(created.body.PKey, { firstName: `UPDATED_${firstName}` })
  assert.equal(updated.status, 200)
  assert.equal((await sdk.getProfile(updated.body.PKey)).status, 200)
})
