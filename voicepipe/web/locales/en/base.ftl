# The frame of every page, and what all pages share.
product = voicepipe
title = { $page } · voicepipe
skip-to-main = Skip to the content

nav-label = Main
nav-live = Live
nav-alerts = Alerts
nav-history = History
nav-quality = Quality
nav-audit = Audit

connection-on = Live
connection-off = Connecting again
connection-none = Offline
offline-text = No connection to the server. What you see is from { $time }; it goes on by itself once the server answers.
signed-out-title = You are signed out
signed-out-text = Sign in again to go on. What you typed but did not send is lost.
sign-in = Sign in
sign-out = Sign out
request-failed = That did not work. Try again.
request-refused = You may not do that.

menu-settings = Settings
settings-language = Language
settings-theme = Appearance
theme-auto = As on this device
theme-light = Light
theme-dark = Dark
settings-keys = Single-key shortcuts
settings-save = Save
role-viewer = Viewer
role-supervisor = Supervisor
role-qa = Quality assurance
role-admin = Administrator

help-title = Keyboard shortcuts
help-open = Keyboard shortcuts
help-close = Close
help-group-everywhere = Everywhere
help-key-help = Show this help
help-key-live = Go to the live view
help-key-alerts = Go to the alerts
help-key-history = Go to the history
help-key-quality = Go to quality
help-key-search = Search
help-key-escape = Close what is open
help-then = then
help-or = or

level-calm = Calm
level-raised = Raised
level-high = High
level-unknown = Not scored

channel-caller = Caller
channel-agent = Agent
channel-mixed = Caller or agent

time-now = just now
utc-time = { $time } UTC

duration-seconds = { $seconds } s
duration-minutes = { $minutes } min { $seconds } s
duration-hours = { $hours } h { $minutes } min
number = { $value }
list-middle = { $left }, { $right }
list-last = { $left } and { $right }
none-value = –
none-label = not known

copy = Copy
copied = Copied
copy-failed = The browser does not let the page copy. Select the text and copy it.
filter-label = Filter
filter-apply = Show
filter-clear = Clear the filter
filter-all = All
search = Search
pager-label = Pages
pager-newer = Newer
pager-older = Older
loading = Loading
close = Close
cancel = Cancel
language-en = English
language-ru = Russian
language-zh = Chinese
