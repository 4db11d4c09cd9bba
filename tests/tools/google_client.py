#!/usr/bin/env python3
"""Google's own Python client against the sandbox: nothing is changed but the endpoint.

usage: google_client.py BASE_URL CALENDAR_ID WEBHOOK_URL

Exit 0 when every answer was as Google's documentation says; an assertion fails otherwise.
"""
import json
import sys
import urllib.request

from google.oauth2 import service_account
from google.auth.exceptions import RefreshError
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

BASE, CALENDAR, HOOK = sys.argv[1:4]
SCOPE = 'https://www.googleapis.com/auth/calendar'


def control(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f'{BASE}/_sandbox/{path}', data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def refused(request, status, reason):
    try:
        request.execute(num_retries=0)
    except HttpError as error:
        assert error.resp.status == status, (error.resp.status, status, error)
        assert error.error_details[0]['reason'] == reason, error.error_details
        return error
    raise AssertionError(f'{request.uri} was not refused')


info = json.loads(control('GET', 'service-account'))
credentials = service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
api = build('calendar', 'v3', credentials=credentials, static_discovery=True, cache_discovery=False,
            client_options={'api_endpoint': f'{BASE}/calendar/v3/'})
events = api.events()


def entry(eid, hour):
    return {'id': eid, 'summary': f'Bay {hour}',
            'start': {'dateTime': f'2026-11-23T{hour:02}:00:00Z', 'timeZone': 'America/New_York'},
            'end': {'dateTime': f'2026-11-23T{hour + 1:02}:00:00Z', 'timeZone': 'America/New_York'},
            'extendedProperties': {'private': {'link': eid}}}


# Calendars.
assert CALENDAR in [c['id'] for c in api.calendarList().list().execute()['items']]
assert api.calendars().get(calendarId=CALENDAR).execute()['timeZone'] == 'America/New_York'
made = api.calendars().insert(body={'summary': 'Made', 'timeZone': 'Asia/Tokyo'}).execute()
assert made['id'].endswith('@group.calendar.google.com')

# Push, before anything changes.
channel = events.watch(calendarId=CALENDAR, body={'id': 'chan-1', 'type': 'web_hook', 'address': HOOK,
                                                  'token': 'secret'}).execute()
assert channel['kind'] == 'api#channel' and int(channel['expiration']) > 0
refused(events.watch(calendarId=CALENDAR, body={'id': 'chan-1', 'type': 'web_hook', 'address': HOOK}),
        400, 'channelIdNotUnique')

# Insert with an id of ours, read it back, and the same id again.
first = events.insert(calendarId=CALENDAR, body=entry('abc01', 15), sendUpdates='none').execute()
assert first['id'] == 'abc01' and first['start']['dateTime'] == '2026-11-23T10:00:00-05:00', first
assert events.get(calendarId=CALENDAR, eventId='abc01').execute() == first
refused(events.insert(calendarId=CALENDAR, body=entry('abc01', 15)), 409, 'duplicate')
refused(events.insert(calendarId=CALENDAR, body=entry('not an id', 15)), 400, 'invalid')
refused(events.get(calendarId=CALENDAR, eventId='unknown'), 404, 'notFound')

# Patch under If-Match, with the right etag and with a stale one.
patch = events.patch(calendarId=CALENDAR, eventId='abc01', body={'summary': 'New'})
patch.headers['If-Match'] = first['etag']
assert patch.execute()['summary'] == 'New'
stale = events.patch(calendarId=CALENDAR, eventId='abc01', body={'summary': 'Newer'})
stale.headers['If-Match'] = first['etag']
refused(stale, 412, 'conditionNotMet')

# A listing over several pages, then its delta.
for n in range(2, 6):
    events.insert(calendarId=CALENDAR, body=entry(f'abc0{n}', 15 + n)).execute()
seen, pages, request = [], 0, events.list(calendarId=CALENDAR, maxResults=2)
while request is not None:
    answer = request.execute()
    seen += [e['id'] for e in answer['items']]
    pages += 1
    request = events.list_next(request, answer)
assert (sorted(seen), pages) == ([f'abc0{n}' for n in range(1, 6)], 3), (seen, pages)
token = answer['nextSyncToken']
found = events.list(calendarId=CALENDAR, privateExtendedProperty='link=abc03').execute()
assert [e['id'] for e in found['items']] == ['abc03']

# Delete, twice; the delta shows the tombstone; restore it.
events.delete(calendarId=CALENDAR, eventId='abc02').execute()
refused(events.delete(calendarId=CALENDAR, eventId='abc02'), 410, 'deleted')
assert events.get(calendarId=CALENDAR, eventId='abc02').execute()['status'] == 'cancelled'
delta = events.list(calendarId=CALENDAR, syncToken=token).execute()
assert [(e['id'], e['status']) for e in delta['items']] == [('abc02', 'cancelled')], delta
restored = events.update(calendarId=CALENDAR, eventId='abc02', body={**entry('abc02', 9), 'status': 'confirmed'})
assert restored.execute()['status'] == 'confirmed'
refused(events.list(calendarId=CALENDAR, syncToken=token, orderBy='updated'), 400, 'badRequest')
control('POST', 'sync-tokens/expire')
refused(events.list(calendarId=CALENDAR, syncToken=token), 410, 'fullSyncRequired')

# Free/busy, with a calendar that does not exist.
busy = api.freebusy().query(body={'timeMin': '2026-11-23T00:00:00Z', 'timeMax': '2026-11-24T00:00:00Z',
                                  'items': [{'id': CALENDAR}, {'id': 'nobody@example.org'}]}).execute()
assert {'start': '2026-11-23T15:00:00Z', 'end': '2026-11-23T16:00:00Z'} in busy['calendars'][CALENDAR]['busy'], busy
assert busy['calendars']['nobody@example.org']['errors'][0]['reason'] == 'notFound'

# The client renews a refused access token by itself and tells a revoked grant apart.
control('POST', 'access-tokens/expire')
assert events.get(calendarId=CALENDAR, eventId='abc01').execute()['id'] == 'abc01'
stop = {'id': channel['id'], 'resourceId': channel['resourceId']}
api.channels().stop(body=stop).execute()
refused(api.channels().stop(body=stop), 404, 'notFound')
control('POST', 'faults', {'method': 'GET', 'path': '*/events/abc01', 'kind': 'status', 'status': 403,
                           'reason': 'rateLimitExceeded'})
refused(events.get(calendarId=CALENDAR, eventId='abc01'), 403, 'rateLimitExceeded')
control('POST', 'grants/revoke')
try:
    events.get(calendarId=CALENDAR, eventId='abc01').execute()
    raise AssertionError('a revoked grant still works')
except RefreshError as error:
    assert 'invalid_grant' in str(error), error
print('as documented')
