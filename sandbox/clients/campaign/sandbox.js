'use strict'
// What the suites share: where the sandboxes are, and a client of each kind. The script
// `run` starts the sandboxes and sets the environment.

const env = (name) => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set; use sandbox/clients/campaign/run`)
  return value
}

const campaignURL = env('SANDBOX_CAMPAIGN_URL') // https://host:port/tenant
const imsURL = env('SANDBOX_IMS_URL')
const clientId = env('SANDBOX_CLIENT_ID')
const tenant = campaignURL.slice(campaignURL.lastIndexOf('/') + 1)

// Adobe's client has its host in the description of the API that it reads. This is the
// one thing that is changed.
require('@adobe/aio-lib-campaign-standard/spec/api.json').servers[0].url =
  campaignURL.slice(0, campaignURL.lastIndexOf('/')) + '/{ORGANIZATION}/campaign'

let token
async function accessToken () {
  token ??= fetch(imsURL + '/ims/token/v3', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: env('SANDBOX_SECRET'), scope: 'campaign_sdk' })
  }).then(answer => answer.json()).then(body => body.access_token)
  return token
}

async function campaign (change = {}) {
  const sdk = require('@adobe/aio-lib-campaign-standard')
  const use = { tenant, clientId, token: await accessToken(), ...change }
  return sdk.init(use.tenant, use.clientId, use.token)
}

// admin asks the sandbox's admin port, where tests arrange what the API cannot.
async function admin (path, body) {
  const answer = await fetch(env('SANDBOX_ADMIN') + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`admin ${path}: ${answer.status} ${await answer.text()}`)
  const text = await answer.text()
  return text ? JSON.parse(text) : undefined
}

module.exports = {
  accessToken, admin, campaign, campaignURL, clientId, imsURL, secret: env('SANDBOX_SECRET'), tenant,
  journal: env('SANDBOX_JOURNAL'), organization: env('SANDBOX_ORGANIZATION')
}
