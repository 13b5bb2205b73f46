"""Lines of nouns that name the same thing in tables: the first of a line is kin to all, the others to it."""

from __future__ import annotations

NEAR = """
customer client buyer shopper purchaser
employee worker staff personnel colleague
doctor physician medic clinician
nurse carer
teacher instructor tutor lecturer professor educator
student pupil learner scholar
trainer coach instructor
author writer
artist painter
musician performer artist
singer vocalist
actor performer
band group
driver chauffeur
courier carrier deliverer
passenger traveller traveler rider
guest visitor
tenant renter lessee occupant
landlord lessor
owner proprietor holder
manager boss supervisor lead
agent representative rep operator
vendor supplier seller provider
manufacturer maker producer brand
partner affiliate
applicant candidate
donor giver contributor
volunteer helper
member subscriber
citizen resident inhabitant
child kid
parent guardian
lawyer attorney solicitor
engineer technician mechanic
cashier clerk
judge referee umpire
team squad side
player athlete sportsman
opponent rival
sender shipper consignor
recipient receiver consignee addressee
borrower lender
store shop outlet branch
warehouse depot storehouse
branch office location
office bureau
location place site venue spot
venue hall stadium arena
city town municipality
country nation
region area territory zone district
state province
street road
address residence
room chamber
apartment flat
house home dwelling
building property premises
property estate home house building listing
hotel inn lodging
hospital clinic infirmary
ward unit
school college academy
university college
gym studio
library archive
restaurant diner eatery cafe
farm plantation
field plot parcel
factory plant works
mine quarry
station stop
airport airfield
port harbour harbor
line route
route path itinerary
road highway
price cost charge rate tariff
fee charge cost
amount sum total
revenue income earning earnings turnover takings proceeds sales
profit margin gain
expense cost spending expenditure outlay
salary wage pay compensation remuneration earnings
bonus premium
discount rebate reduction
tax duty vat
fine penalty
tip gratuity
deposit advance
balance credit
debt liability
budget allowance
invoice bill
payment settlement
refund reimbursement
currency money
loan credit
interest rate
account profile
subscription membership plan
plan tier package
contract agreement
policy cover
claim case
order purchase
purchase order acquisition transaction
sale transaction
transaction deal
basket cart trolley
item product article good
product item article good merchandise
goods merchandise stock
stock inventory
part component piece
sku article
category type kind class group section
type kind sort category class variety
brand make label
model version
colour color shade
size dimension
weight mass load
length distance
distance mileage
height altitude elevation
width breadth
depth
area surface
volume capacity
capacity size
temperature heat
speed pace velocity
duration length time period
age
quantity count number unit amount
number count
score point mark rating result
point score
rating score grade star
grade mark
result outcome
rank position place
level stage
goal score
rate ratio
share portion
delay lateness wait
wait delay queue
date day
year
time hour
status state condition
condition state
reason cause
description text detail
note comment remark
comment remark feedback note
message text
email mail
phone telephone mobile
website site url
page screen
link url
session visit
visit session trip
visitor guest
device hardware gadget
browser client
platform system os
os system platform
feature function
version release
bug defect error fault issue
error failure fault
issue ticket problem
ticket case issue request enquiry inquiry
request enquiry inquiry
call conversation
conversation chat
campaign promotion
advert ad advertisement commercial banner
ad advert advertisement commercial
channel source medium
source origin
referrer source
impression view
click tap
conversion
lead prospect
opportunity deal
song track tune
track song
album record
playlist list
show programme program series
episode instalment installment
podcast show
film movie picture
movie film
video clip
book title volume
title book
genre style
artwork work piece painting
painting picture artwork work
exhibition show display
exhibit artwork piece
photo picture image
game match
match game fixture
race event competition
competition contest tournament
season year
league division
event happening
concert gig show
class lesson course
course class module
lesson class session
subject course topic
exam test
test exam
department division section unit
team group crew
position job post role title
job position role
role position job
shift duty
leave absence holiday vacation
absence leave
review appraisal evaluation
training course
vehicle car
car vehicle automobile auto
truck lorry van
bike bicycle cycle
bus coach
train
plane aircraft airplane
ship vessel boat
flight
trip journey ride
ride trip journey
journey trip
rental hire
booking reservation
reservation booking
stay visit
appointment visit consultation booking
consultation appointment visit
patient
illness disease sickness condition
disease illness condition diagnosis
diagnosis illness disease condition
medicine drug medication
drug medicine medication
medication drug medicine
treatment therapy procedure
operation surgery procedure
procedure treatment operation
allergy
vaccine jab shot
bed
parcel package packet
package parcel packet
shipment consignment delivery
delivery shipment consignment
luggage baggage bag
bag suitcase luggage baggage
postage shipping freight
freight cargo load
cargo freight load
container box
pallet skid
shelf rack
bin location
supplier vendor
carrier courier
destination target
origin source
meter gauge
reading measurement
measurement reading
consumption usage use
usage consumption use
electricity power energy
energy power electricity
gas fuel
water
sensor detector probe
machine device equipment
equipment machine gear
outage failure breakdown
repair fix
inspection check audit
crop plant
animal
pet animal
breed race
species kind
dog hound
cat
tree
recipe dish
dish meal plate
meal dish
drink beverage
ingredient
menu
file document
document file paper
folder directory
user account
server host machine
request call
response answer
survey questionnaire poll
question
answer response
vote ballot
party
law statute
crime offence offense
accident crash incident collision
incident accident event
gender sex
name
language tongue
nationality citizenship country
religion faith
birthday birthdate birth
death
hobby interest
skill competence
degree qualification
certificate qualification
organisation organization company
company firm business organisation organization employer corporation
bank
industry sector
project
task job todo
milestone
sprint iteration
commit change
release version
deployment release
subscription
coupon voucher code
voucher coupon
gift present
card
wallet
method way mode means
mode method way
language
postcode zip postal
"""
"""Words that name the same thing."""
