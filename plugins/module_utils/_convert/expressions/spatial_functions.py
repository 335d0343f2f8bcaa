# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The nomos.cockroach_migrator authors
# Private to this collection: it may change in any release.
"""CockroachDB's spatial functions, which follow PostGIS: most have the same name and meaning there."""

from __future__ import annotations

SAME = frozenset(
    """
geomfromewkb geomfromewkt postgis_addbbox postgis_dropbbox postgis_full_version postgis_geos_version
postgis_getbbox postgis_hasbbox postgis_lib_build_date postgis_lib_version postgis_liblwgeom_version
postgis_libxml_version postgis_proj_version postgis_scripts_build_date postgis_scripts_installed
postgis_scripts_released postgis_version postgis_wagyu_version st_addmeasure st_addpoint st_affine st_angle
st_area st_area2d st_asbinary st_asencodedpolyline st_asewkb st_asewkt st_asgeojson st_ashexewkb st_askml
st_asmvtgeom st_astext st_astwkb st_azimuth st_boundary st_box2dfromgeohash st_buffer st_centroid st_clipbybox2d
st_closestpoint st_collect st_collectionextract st_collectionhomogenize st_combinebbox st_contains
st_containsproperly st_convexhull st_coorddim st_coveredby st_covers st_crosses st_dfullywithin st_difference
st_dimension st_disjoint st_distance st_distancesphere st_distancespheroid st_dwithin st_endpoint st_envelope
st_equals st_expand st_extent st_exteriorring st_flipcoordinates st_force2d st_force3d st_force3dm st_force3dz
st_force4d st_forcecollection st_forcepolygonccw st_forcepolygoncw st_frechetdistance st_generatepoints
st_geogfromtext st_geogfromwkb st_geographyfromtext st_geohash st_geomcollfromtext st_geomcollfromwkb
st_geometryfromtext st_geometryn st_geometrytype st_geomfromewkb st_geomfromewkt st_geomfromgeohash
st_geomfromgeojson st_geomfromtext st_geomfromwkb st_hasarc st_hausdorffdistance st_interiorringn
st_intersection st_intersects st_isclosed st_iscollection st_isempty st_ispolygonccw st_ispolygoncw st_isring
st_issimple st_isvalid st_isvalidreason st_isvalidtrajectory st_length st_length2d st_linecrossingdirection
st_linefromencodedpolyline st_linefrommultipoint st_linefromtext st_linefromwkb st_lineinterpolatepoint
st_lineinterpolatepoints st_linelocatepoint st_linemerge st_linestringfromwkb st_linesubstring st_longestline
st_m st_makebox2d st_makeline st_makepoint st_makepointm st_makepolygon st_makevalid st_maxdistance st_memsize
st_memunion st_minimumboundingcircle st_minimumboundingradius st_minimumclearance st_minimumclearanceline
st_mlinefromtext st_mlinefromwkb st_mpointfromtext st_mpointfromwkb st_mpolyfromtext st_mpolyfromwkb st_multi
st_multilinefromwkb st_multilinestringfromtext st_multipointfromtext st_multipointfromwkb st_multipolyfromwkb
st_multipolygonfromtext st_ndims st_node st_normalize st_npoints st_nrings st_numgeometries st_numinteriorring
st_numinteriorrings st_numpoints st_orderingequals st_orientedenvelope st_overlaps st_perimeter st_perimeter2d
st_point st_pointfromgeohash st_pointfromtext st_pointfromwkb st_pointinsidecircle st_pointn st_pointonsurface
st_points st_polyfromtext st_polyfromwkb st_polygon st_polygonfromtext st_polygonfromwkb st_project st_relate
st_relatematch st_removepoint st_removerepeatedpoints st_reverse st_rotate st_rotatex st_rotatey st_rotatez
st_scale st_segmentize st_setpoint st_setsrid st_sharedpaths st_shiftlongitude st_shortestline st_simplify
st_simplifypreservetopology st_snap st_snaptogrid st_srid st_startpoint st_subdivide st_summary st_swapordinates
st_symdifference st_tileenvelope st_touches st_transform st_translate st_transscale st_unaryunion st_union
st_voronoilines st_voronoipolygons st_within st_wkbtosql st_wkttosql st_x st_y st_z st_zmflag
""".split()
)
"""Functions of PostGIS."""
NOT_IMMUTABLE = frozenset(("st_generatepoints", "st_asgeojson"))
"""Functions with an overload that is not IMMUTABLE in pg_proc: points without a seed, and the text of a row. All others
are IMMUTABLE."""
RENAMED = {
    **{
        f"_st_{name}": f"st_{name}"
        for name in "contains containsproperly coveredby covers crosses dfullywithin dwithin equals intersects "
        "overlaps touches within".split()
    },
    "st_symmetricdifference": "st_symdifference",
    "st_linestringfromtext": "st_linefromtext",
    "st_multilinefromtext": "st_mlinefromtext",
    "st_multilinestringfromwkb": "st_multilinefromwkb",
    "st_multipolyfromtext": "st_mpolyfromtext",
    "st_multipolygonfromwkb": "st_multipolyfromwkb",
    "st_geogfromewkt": "st_geogfromtext",
    "st_geogfromewkb": "st_geogfromwkb",
    "st_memcollect": "st_collect",
}
"""CockroachDB's further names, and PostGIS's internal ones for the same without an index."""
_ANY = ""
_EXCLUSIVE = "(st_dwithin(_0, _1, _2) AND st_distance(_0, _1) < _2)"
TEMPLATES = {
    ("geometrytype", _ANY): "substr(st_geometrytype(_0), 4)",
    ("st_ashexwkb", _ANY): "upper(encode(st_asbinary(_0), 'hex'))",
    ("st_asewkb", "geography"): "st_asewkb(CAST(_0 AS geometry))",
    ("st_ashexewkb", "geography"): "st_ashexewkb(CAST(_0 AS geometry))",
    ("st_geogfromgeojson", _ANY): "CAST(st_geomfromgeojson(_0) AS geography)",
    ("st_dwithinexclusive", "geometry"): _EXCLUSIVE,
    ("_st_dwithinexclusive", "geometry"): _EXCLUSIVE,
}
"""(function, family of the first argument; '' for any) to PostGIS's form."""
MOST_ARGUMENTS = {
    "st_geogfromtext": 1,
    "st_geographyfromtext": 1,
    "st_geogfromwkb": 1,
    "st_dwithinexclusive": 3,
    "_st_dwithinexclusive": 3,
}
"""Largest number of arguments that PostGIS accepts."""

_GEOS = "the points that GEOS computes may have other last digits and another order"
_DIGITS = "the last digits may be others"
_EMPTY = "an empty result is of another type"
_TEXT = "the text has other blanks and digits"
_SERVER = "it describes PostgreSQL's own PostGIS"
_DIMENSIONS = "CockroachDB drops Z and M"
_SRID = "CockroachDB drops the SRID, and zeros have other signs"
DIFFERENT = {
    **dict.fromkeys(
        """st_buffer st_clipbybox2d st_difference st_intersection st_linemerge st_makevalid st_memunion
        st_minimumboundingcircle st_minimumboundingradius st_minimumclearance st_minimumclearanceline
        st_node st_orientedenvelope st_pointonsurface st_sharedpaths st_simplify st_simplifypreservetopology
        st_snap st_subdivide st_symdifference st_symmetricdifference st_unaryunion st_union st_voronoilines
        st_voronoipolygons""".split(),
        f"{_GEOS}, and {_EMPTY}",
    ),
    **dict.fromkeys(
        """st_addmeasure st_angle st_azimuth st_centroid st_frechetdistance st_hausdorffdistance
        st_linelocatepoint st_linesubstring st_rotate st_rotatex st_rotatey st_rotatez st_segmentize
        st_transform""".split(),
        _DIGITS,
    ),
    **dict.fromkeys(("st_boundary", "st_convexhull"), _EMPTY),
    **dict.fromkeys(("st_astext", "st_asewkt", "st_askml", "st_summary"), _TEXT),
    **dict.fromkeys(
        (
            name
            for name in SAME
            if name.startswith("postgis_")
            and name not in ("postgis_addbbox", "postgis_dropbbox", "postgis_getbbox", "postgis_hasbbox")
        ),
        _SERVER,
    ),
    **dict.fromkeys(("st_startpoint", "st_endpoint", "st_expand", "st_scale"), _DIMENSIONS),
    **dict.fromkeys(("st_lineinterpolatepoint", "st_lineinterpolatepoints"), f"{_DIMENSIONS}, and {_DIGITS}"),
    **dict.fromkeys(("st_closestpoint", "st_shortestline"), _SRID),
    **dict.fromkeys(
        ("st_longestline", "st_maxdistance"), "it is NULL for collections and for geometries of different dimensions"
    ),
    **dict.fromkeys(
        ("st_distancesphere", "st_distancespheroid"), f"{_DIGITS}, and the distance to an empty geometry is not NULL"
    ),
    **dict.fromkeys(
        ("st_contains", "st_within", "_st_contains", "_st_within"),
        "CockroachDB has points within what they only touch when they are several",
    ),
    **dict.fromkeys(
        ("st_forcepolygonccw", "st_forcepolygoncw"), "lines and rings that cross themselves are turned otherwise"
    ),
    "st_asgeojson": "M is omitted, and some numbers are written otherwise",
    "st_asencodedpolyline": "CockroachDB takes M for a place",
    "st_collectionextract": "CockroachDB returns nothing for a geometry that is no collection but of the type",
    "st_generatepoints": "the points are others",
    "st_geohash": "it is NULL for an empty geometry",
    "st_linecrossingdirection": "a line that begins on the other has another sign",
    "st_memsize": "PostGIS counts its own bytes",
    "st_nrings": "CockroachDB counts no rings of multipolygons",
    "st_pointn": "a negative position counts from the end",
    "st_project": "CockroachDB v22.1 exchanges longitude and latitude",
    "st_removerepeatedpoints": "M makes points different",
    "st_swapordinates": "CockroachDB v22.1 exchanges others where there is a Z or M",
    "st_reverse": "the rings of a polygon are in another order",
}
"""Differences in PostGIS, by CockroachDB's name."""
GEOGRAPHY_DIFFERENT = dict.fromkeys(
    "st_area st_azimuth st_buffer st_centroid st_distance st_intersection st_length st_perimeter st_project "
    "st_segmentize".split(),
    "distances on the earth have other last digits",
)

RETURNS = {
    "geometry": """st_addmeasure st_addpoint st_affine st_boundary st_clipbybox2d st_closestpoint st_collect
    st_collectionextract st_collectionhomogenize st_convexhull st_difference st_endpoint st_exteriorring
    st_flipcoordinates st_force2d st_force3d st_force3dm st_force3dz st_force4d st_forcecollection
    st_forcepolygonccw st_forcepolygoncw st_generatepoints st_geomcollfromtext st_geomcollfromwkb
    st_geometryfromtext st_geometryn st_geomfromewkb st_geomfromewkt st_geomfromgeohash st_geomfromgeojson
    st_geomfromtext st_geomfromwkb st_interiorringn st_linefromencodedpolyline st_linefrommultipoint
    st_linefromtext st_linefromwkb st_lineinterpolatepoint st_lineinterpolatepoints st_linemerge
    st_linestringfromtext st_linestringfromwkb st_linesubstring st_longestline st_makeline st_makepoint
    st_makepointm st_makepolygon st_makevalid st_memcollect st_memunion st_minimumboundingcircle
    st_minimumclearanceline st_mlinefromtext st_mlinefromwkb st_mpointfromtext st_mpointfromwkb st_mpolyfromtext
    st_mpolyfromwkb st_multi st_multilinefromtext st_multilinefromwkb st_multilinestringfromtext
    st_multilinestringfromwkb st_multipointfromtext st_multipointfromwkb st_multipolyfromtext
    st_multipolyfromwkb st_multipolygonfromtext st_multipolygonfromwkb st_node st_normalize st_orientedenvelope
    st_point st_pointfromgeohash st_pointfromtext st_pointfromwkb st_pointn st_pointonsurface st_points
    st_polyfromtext st_polyfromwkb st_polygon st_polygonfromtext st_polygonfromwkb st_removepoint
    st_removerepeatedpoints st_reverse st_rotate st_rotatex st_rotatey st_rotatez st_scale st_setpoint
    st_sharedpaths st_shiftlongitude st_shortestline st_simplify st_simplifypreservetopology st_snap
    st_snaptogrid st_startpoint st_subdivide st_swapordinates st_symdifference st_symmetricdifference
    st_transform st_translate st_transscale st_unaryunion st_union st_voronoilines st_voronoipolygons
    st_wkbtosql st_wkttosql geomfromewkb geomfromewkt""",
    "geography": "st_geogfromewkb st_geogfromewkt st_geogfromgeojson st_geogfromtext st_geogfromwkb "
    "st_geographyfromtext st_project",
    "float": """st_angle st_area st_area2d st_azimuth st_distance st_distancesphere st_distancespheroid
    st_frechetdistance st_hausdorffdistance st_length st_length2d st_linelocatepoint st_m st_maxdistance
    st_minimumclearance st_perimeter st_perimeter2d st_x st_y st_z""",
    "int": """st_coorddim st_dimension st_linecrossingdirection st_memsize st_ndims st_npoints st_nrings
    st_numgeometries st_numinteriorring st_numinteriorrings st_numpoints st_srid st_zmflag""",
    "string": """geometrytype st_asencodedpolyline st_asewkt st_asgeojson st_ashexewkb st_ashexwkb st_askml
    st_astext st_geohash st_geometrytype st_isvalidreason st_summary""",
    "bytes": "st_asbinary st_asewkb st_astwkb",
    "bool": """st_contains st_containsproperly st_coveredby st_covers st_crosses st_dfullywithin st_disjoint
    st_dwithin st_dwithinexclusive st_equals st_hasarc st_intersects st_isclosed st_iscollection st_isempty
    st_ispolygonccw st_ispolygoncw st_isring st_issimple st_isvalid st_isvalidtrajectory st_orderingequals
    st_overlaps st_pointinsidecircle st_relatematch st_touches st_within""",
}
"""Family of the result to the functions that return it for all their arguments."""
LIKE_ARGUMENT = frozenset("st_buffer st_centroid st_intersection st_segmentize st_setsrid".split())
"""Functions that return a geometry of a geometry and a geography of a geography."""


def is_spatial(name: str) -> bool:
    """Whether a call needs PostGIS, by either name of the function."""
    return name in SAME or name in RENAMED or any(name == function for function, _family in TEMPLATES)


def difference(name: str, family: str) -> str:
    """Return how PostGIS's function differs for a first argument of this family; empty if it does not."""
    return (GEOGRAPHY_DIFFERENT.get(name) if family == "geography" else None) or DIFFERENT.get(name, "")
